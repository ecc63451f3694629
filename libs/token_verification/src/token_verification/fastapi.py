"""The FastAPI side: verify before routing, deny by default, and hand the caller to the handler.

protect(app, verifier, public={"GET /api/catalogue"})

@app.get("/api/orders", dependencies=[requires_scope("orders:read")])
async def list_orders(caller: Caller) -> list[Order]: ...
"""

import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Protocol, cast
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response, Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.params import Depends
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase
from starlette.types import ASGIApp, Receive, Scope, Send

from token_verification.access_token import AccessToken
from token_verification.errors import InsufficientScope, InvalidRequest, NoCredentials, VerificationError
from token_verification.openapi import SCHEME_NAME, document_protection

_CALLER = "token_verification.caller"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Verifier(Protocol):
    """What decides about tokens: an AccessTokenVerifier, or something that asks one and then knows more."""

    async def verify(self, token: str, *, changes_state: bool = True) -> AccessToken:
        """Return what a good token says; raise VerificationError for any other."""


def protect(app: FastAPI, verifier: Verifier, *, public: Collection[str]) -> None:
    """Let no request reach a route of `app` without a verified access token, but for the public ones.

    `public`: "METHOD /path", exact: no patterns, so that no route becomes public because it resembles one. A public GET
    is a public HEAD too. On a public route no token is looked at. All else is denied before routing, also what does not
    exist, and every websocket: it would outlive its token. The OpenAPI document is completed to say the same.

    Middleware added later runs before the verification: add what must see every answer (request ids, metrics, CORS,
    whose preflights carry no token) after this. ValueError if an entry of `public` is not of that form.
    """
    routes = frozenset(public)
    for entry in routes:
        method, _, path = entry.partition(" ")
        if not (method.isalpha() and method.isupper() and path.startswith("/") and path.isascii()):
            raise ValueError(f"{entry!r} is not a method in capitals, a space and a path")
        if not set(path).isdisjoint("{}*?#% "):
            raise ValueError(f"{entry!r} is not an exact path: one public entry never stands for several paths")
    app.add_middleware(_Protection, verifier=verifier, public=routes)
    app.add_exception_handler(VerificationError, _answer)
    undocumented = app.openapi

    def openapi() -> dict[str, Any]:
        document = undocumented()
        document_protection(document, routes)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending its document


class _Protection:
    """Pure ASGI: BaseHTTPMiddleware would cost a task per request and break streaming."""

    def __init__(self, app: ASGIApp, verifier: Verifier, public: frozenset[str]) -> None:
        self._app = app
        self._verifier = verifier
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # What someone else put there is not a verified token.
            scope.pop(_CALLER, None)
            if not self._is_public(scope):
                try:
                    changes_state = scope["method"] not in _READING
                    scope[_CALLER] = await self._verifier.verify(bearer_token(scope), changes_state=changes_state)
                except VerificationError as refusal:
                    await _problem_response(refusal)(scope, receive, send)
                    return
        elif scope["type"] != "lifespan":
            await send({"type": "websocket.close", "code": 1008, "reason": "no websockets here"})
            return
        await self._app(scope, receive, send)

    def _is_public(self, scope: Scope) -> bool:
        """Tell whether the router, which sees the same decoded path, can only reach a public route."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return f"{method} {_routed_path(scope)}" in self._public


def _routed_path(scope: Scope) -> str:
    """Return the path that Starlette's router goes by: without the root path, if a slash or nothing follows that."""
    path: str = scope["path"]
    rest = path.removeprefix(scope.get("root_path", ""))
    return rest if rest in {"", path} or rest.startswith("/") else path


def bearer_token(scope: Scope) -> str:
    """Return the token of an HTTP request (RFC 6750, section 2.1), read from the raw headers of its ASGI scope.

    Raises NoCredentials, or InvalidRequest if the request says more than once who is calling: two `Authorization`
    headers, or one and an `access_token` in the query. A token in the query alone is not read: URLs are logged.
    """
    values = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if not values:
        raise NoCredentials
    if len(values) > 1:
        raise InvalidRequest("The request has several Authorization headers.")
    query = scope.get("query_string", b"").decode("latin-1")
    if query and any(name == "access_token" for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise InvalidRequest("The request has a token in the Authorization header and another in the query.")
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        raise NoCredentials
    return str(token.lstrip(" "))


def caller_of(scope: Scope) -> AccessToken:
    """Return the verified token of a request, by its ASGI scope. RuntimeError on a public route: it has no caller."""
    caller = scope.get(_CALLER)
    if not isinstance(caller, AccessToken):
        # A mistake of the program, not of the client: no token it could send would help.
        raise RuntimeError("no caller: the route is public, or protect() was not called")  # noqa: TRY004
    return caller


class _AccessTokenScheme(SecurityBase):
    """Hands the verified token to the handler, and shows up in OpenAPI."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(bearerFormat="JWT")
        self.scheme_name = SCHEME_NAME

    async def __call__(self, connection: HTTPConnection) -> AccessToken:
        return caller_of(connection.scope)


Caller = Annotated[AccessToken, Security(_AccessTokenScheme())]
"""The verified token of the request, for a handler's signature. RuntimeError on a public route: it has no caller."""


def requires_scope(*needed: str) -> Depends:
    """Make a dependency that lets the caller pass if the token has every one of these scopes.

    For `dependencies=[…]` of a route, a router or an application. Otherwise the answer is 403 and names them
    (RFC 6750, section 3.1, `insufficient_scope`).
    """
    if not needed:
        raise ValueError("name at least one scope")
    dependency: Depends = Security(_HasScopes(needed), scopes=list(needed))
    return dependency


def required_scopes(dependency: Depends) -> frozenset[str] | None:
    """Return the scopes that a dependency by `requires_scope` demands; None for any other, whatever it names."""
    requirement = dependency.dependency
    return frozenset(requirement.needed) if isinstance(requirement, _HasScopes) else None


class _HasScopes:
    """Lets callers pass whose tokens have all of some scopes."""

    def __init__(self, needed: tuple[str, ...]) -> None:
        self.needed = needed

    async def __call__(self, caller: Caller) -> None:
        if not caller.scope.issuperset(self.needed):
            raise InsufficientScope(" ".join(self.needed))


async def _answer(_: Request, refusal: Exception) -> Response:
    return _problem_response(cast("VerificationError", refusal))


def _problem_response(refusal: VerificationError) -> Response:
    body = json.dumps(refusal.problem).encode("ascii")
    headers: Mapping[str, str] = refusal.headers
    return Response(body, refusal.status, headers, media_type="application/problem+json")
