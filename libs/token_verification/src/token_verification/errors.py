# ruff: noqa: N818 -- named for what happened, as httpx does: `except KeysUnavailable` reads as the sentence it is.
"""Why a request was refused: one class per answer, one stable reason and one sentence each.

Every error knows its HTTP status, its RFC 6750 code, its challenge (RFC 9110, section 11.6.1) and its problem
(RFC 9457), so whatever framework answers has nothing left to decide.
"""

import http
import math
from typing import ClassVar, Literal

Reason = Literal[
    "malformed",
    "wrong_type",
    "unsupported_algorithm",
    "unknown_kid",
    "bad_signature",
    "expired",
    "not_yet_valid",
    "life_too_long",
    "wrong_issuer",
    "wrong_audience",
    "missing_claim",
    "login_ended",
    "token_revoked",
    "key_revoked",
]
"""Why a token is refused; stable, for programs."""

_DETAIL_LIMIT = 300


def shown(text: object, limit: int = 64) -> str:
    """Return text of unknown origin so that it may stand in a header, a log line or a sentence.

    What is left are the characters RFC 6750, section 3, allows in `error_description`: printable ASCII without the
    quotation mark and the backslash; anything else becomes a question mark. At most `limit` characters stay.
    """
    raw = str(text)
    kept = "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in raw[:limit])
    return kept if len(raw) <= limit else f"{kept}..."


class VerificationError(Exception):
    """Any refusal of this library; catch it to catch them all.

    `status`: the HTTP status. `code`: the error code of RFC 6750, section 3.1, or None. `reason`: stable, for
    programs. `detail`: one sentence for a human; it never holds the token.
    """

    status: ClassVar[int]
    code: ClassVar[str | None] = None

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = shown(detail, _DETAIL_LIMIT)
        super().__init__(f"{self.reason}: {self.detail}")

    @property
    def challenge(self) -> str | None:
        """The value of `WWW-Authenticate`, or None where a challenge would not help (RFC 6750, section 3)."""
        return f'Bearer error="{self.code}", error_description="{self.detail}"'

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that belong to this refusal."""
        challenge = self.challenge
        return {"cache-control": "no-store"} | ({"www-authenticate": challenge} if challenge else {})

    @property
    def problem(self) -> dict[str, object]:
        """The body of an `application/problem+json` response (RFC 9457)."""
        return {
            "type": "about:blank",
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
        }


class NoCredentials(VerificationError):
    """The request carries no bearer token: 401 and a challenge without an error code (RFC 6750, section 3.1)."""

    status = 401

    def __init__(self) -> None:
        super().__init__("no_credentials", "This needs an access token: Authorization: Bearer, a space, the token.")

    @property
    def challenge(self) -> str:
        return "Bearer"


class InvalidRequest(VerificationError):
    """The request says in two ways who is calling: 400."""

    status = 400
    code = "invalid_request"

    def __init__(self, detail: str) -> None:
        super().__init__("invalid_request", detail)


class InvalidToken(VerificationError):
    """The token is refused: 401. `reason` says which check failed."""

    status = 401
    code = "invalid_token"
    reason: Reason

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)


class InsufficientScope(VerificationError):
    """The token is good, and does not reach this far: 403. `scope`: what is needed, space separated."""

    status = 403
    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        super().__init__("insufficient_scope", f"This needs the scope {scope}.")
        self.scope = scope

    @property
    def challenge(self) -> str:
        return f'{super().challenge}, scope="{shown(self.scope, _DETAIL_LIMIT)}"'

    @property
    def problem(self) -> dict[str, object]:
        return super().problem | {"scope": self.scope}


class Unavailable(VerificationError):
    """Nobody can tell now whether the token is good: 503.

    Never 401: a client that sees 401 throws its token away. `retry_after`: seconds, at least 1.
    """

    status = 503

    def __init__(self, reason: str, detail: str, *, retry_after: float) -> None:
        super().__init__(reason, detail)
        self.retry_after = max(1, math.ceil(retry_after))

    @property
    def challenge(self) -> None:
        return None

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"retry-after": str(self.retry_after)}


class KeysUnavailable(Unavailable):
    """The issuer's keys are not to be had: 503."""

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__("keys_unavailable", detail, retry_after=retry_after)


class RevocationsUnavailable(Unavailable):
    """It is not known well enough what has been revoked: 503."""

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__("revocations_unavailable", detail, retry_after=retry_after)
