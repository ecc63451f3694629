"""Why the token endpoint gives no token: the codes of OAuth, and our own finer reasons beside them."""

from service_chassis.problems import Problem


class TokenRefusal(Problem):
    """A refusal with `error`, one of the codes of RFC 6749, section 5.2, and RFC 8707, section 2.

    `reason` is a finer word for programs where there is one, otherwise the code itself.
    """

    def __init__(
        self,
        error: str,
        detail: str,
        *,
        reason: str | None = None,
        status: int = 400,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, reason or error, detail, headers=headers)
        self.error = error


class InvalidClient(TokenRefusal):
    """Whoever asks has not proved to be a client. Everyone hears the same, whichever check failed."""

    def __init__(self) -> None:
        super().__init__(
            "invalid_client",
            "The client did not prove itself by a good client assertion that was not used before.",
            status=401,
            # RFC 9110, section 15.5.2, wants a challenge; the registry has no scheme for this method of OAuth's.
            headers={"WWW-Authenticate": 'private_key_jwt realm="signet"'},
        )
