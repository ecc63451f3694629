"""CORS: which other origins' pages may read what the door answers, with a token that they hold themselves.

Never with credentials: what the browser would add by itself, a cookie, is not for other origins. [Fetch, section 3.2]
"""

from collections.abc import Awaitable, Collection, Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.security_headers import POLICY
from service_chassis.problems import Problem

_REMEMBERED_SECONDS: Final = 600

_VARY: Final = (b"vary", b"Origin")
"""On every answer, also to a request without an origin: a cache must not give it to one with another."""

_EXPOSED: Final = (
    b"access-control-expose-headers",
    b"ETag, Location, Retry-After, Server-Timing, WWW-Authenticate, X-Request-Id",
)
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, Traceparent, X-Request-Id",
    ),
    (b"access-control-max-age", b"%d" % _REMEMBERED_SECONDS),
)


class Cors:
    """ASGI middleware: answers preflights, and says on every other answer whether the asking page may read it.

    `origins`: as browsers send them, such as `https://app.example`. Nothing is refused to other origins but their
    preflights: who may do something is for tokens to say, and a request without a browser has no origin.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `Problem` (403 origin_not_allowed) for a preflight of an origin not listed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        allowed = len(origins) == 1 and origins[0] in self._origins
        if origins and scope["method"] == "OPTIONS" and _is_preflight(scope["headers"]):
            if not allowed:
                detail = "The pages of this origin are not on the list of those that may ask here."
                raise Problem(403, "origin_not_allowed", detail, headers={"Vary": "Origin"})
            headers = [POLICY, _VARY, (b"access-control-allow-origin", origins[0]), *_PREFLIGHT]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body"})
            return
        fields = [_VARY, (b"access-control-allow-origin", origins[0]), _EXPOSED] if allowed else [_VARY]

        def telling_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *fields]
            return send(message)

        await self._app(scope, receive, telling_send)


def _is_preflight(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"access-control-request-method" for name, _ in headers)
