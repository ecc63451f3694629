# ruff: noqa: N818 -- named for what happened, as the verifier's errors are
"""The credential check: the only place where the twin and profile differ.

Profile's token comes in a header and is verified by its signature; the twin's session id comes in a cookie and is
looked up. `IdFromCookie` brings it to where `protect` expects a credential, and `SessionCheck` is what `protect` asks
instead of a verifier of tokens. From there on, everything is profile's: the same middleware, handlers and answers.
"""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from service_chassis.problems import Problem, Unavailable, problem_response
from session_twin.session_cookie import session_ids
from session_twin.sessions import Sessions
from token_verification import AccessToken, VerificationError

SCOPE = frozenset({"profile:read", "profile:write", "orders:read"})
"""What a person may do here: what everyone's token allows, of what there is."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class NoSession(VerificationError):
    """The request comes with no session that goes on: 401."""

    status = 401

    def __init__(self) -> None:
        super().__init__("no_session", "This needs a session: log in.")

    @property
    def challenge(self) -> str:
        """A challenge of no registered scheme: there is none for forms and cookies. [RFC 9110 section 11.6.1]"""
        return 'Cookie realm="session twin"'


class StoreAway(VerificationError):
    """Nobody can tell whether the session goes on: 503."""

    status = 503

    def __init__(self, refusal: Unavailable) -> None:
        super().__init__(refusal.reason, refusal.detail)

    @property
    def challenge(self) -> None:
        """None: no credential would help."""
        return

    @property
    def headers(self) -> dict[str, str]:
        """Say when to come back."""
        return super().headers | {"retry-after": "1"}


class SessionCheck:
    """Says whose session an id is."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def verify(self, token: str, *, changes_state: bool = True) -> AccessToken:  # noqa: ARG002 -- the protocol's
        """Return the caller in the shape in which profile's handlers take one. Raises NoSession, StoreAway."""
        try:
            found = await self._sessions.find(token)
        except Unavailable as refusal:
            raise StoreAway(refusal) from refusal
        if found is None:
            raise NoSession
        key, session = found
        return AccessToken(
            subject=session.subject,
            issuer="session",
            audience=(),
            client_id="session",
            scope=SCOPE,
            login_id=key,
            token_id=key,
            auth_time=int(session.began),
            issued_at=int(session.began),
            expires_at=int(session.ends),
            key_id="",
            name=session.name,
        )


class IdFromCookie:
    """ASGI middleware: the credential is the cookie's, whatever the client says in `Authorization`.

    A browser adds the cookie by itself, also to what another site's page sends: who changes anything must come from
    here. [OWASP Cross-Site Request Forgery Prevention Cheat Sheet, Fetch Metadata]
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on with its session id as its only credential, or refuse it: 403 `cross_site`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in _READING and _comes_from_elsewhere(scope):
            refusal = Problem(403, "cross_site", "Another site's page sent this.")
            await problem_response(refusal)(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        # Two ids: one was planted, and nobody can tell which. There is no good guess.
        if len(ids := session_ids(headers)) == 1:
            headers.append((b"authorization", b"Bearer " + ids[0].encode("latin-1")))
        await self._app({**scope, "headers": headers}, receive, send)


def _comes_from_elsewhere(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site not in {b"same-origin", b"none"}
    origin = headers.get(b"origin")
    # A client that sends neither is no browser, and adds no cookie that its user did not mean.
    return origin is not None and urlsplit(origin.decode("latin-1")).netloc != headers.get(b"host", b"").decode(
        "latin-1"
    )
