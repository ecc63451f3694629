"""The route that is asked most, answered without what the framework does for requests that need it."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Final, get_type_hints

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from token_verification import AccessToken
from token_verification.fastapi import Caller, caller_of, required_scopes

_ANNOUNCE_A_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})

Endpoint = Callable[[AccessToken, Request], Awaitable[Response]]


def serve_directly(app: FastAPI, endpoint: Endpoint) -> None:
    """Let plain requests for an endpoint reach it through no other layers than those that are added later.

    It takes the caller and the request and nothing else, returns a whole Response, refuses by no other exception than
    Problem, and answers GET on a path without parameters, behind nothing but `requires_scope`. Call it once the routes
    are there, after `take_json` and right before `protect`. A request is plain if it has no query and no body, and its
    caller the scopes: whatever else comes goes the usual way and is refused there. FastAPI's route stays as it is, and
    is what is documented. ValueError for an endpoint that is not of this kind, or that another route stands before.
    """
    routes = list(iter_route_contexts(app.routes))
    of_endpoint = [number for number, each in enumerate(routes) if getattr(each, "endpoint", None) is endpoint]
    if len(of_endpoint) != 1:
        raise ValueError(f"{endpoint} is not the endpoint of one route")
    # The route as it is within the application: with the path and the dependencies of all routers around it.
    number = of_endpoint[0]
    route = routes[number]
    scopes = _needed_scopes(route, endpoint)
    path = str(route.path)
    if any(_answers_get(before, path) for before in routes[:number]):
        raise ValueError(f"another route answers {path} before {endpoint}")
    app.add_middleware(_Direct, route=route, path=path, scopes=scopes, endpoint=endpoint)


def _needed_scopes(route: RouteContext, endpoint: Endpoint) -> frozenset[str]:
    takes = [(each.kind, each.default) for each in inspect.signature(endpoint).parameters.values()]
    hints = list(get_type_hints(endpoint, include_extras=True).values())
    scopes = [required_scopes(each) for each in route.dependencies]
    if (
        type(route.original_route) is not APIRoute
        or route.methods != {"GET"}
        or route.param_convertors
        or takes != [(inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty)] * 2
        or hints != [Caller, Request, Response]
        or not inspect.iscoroutinefunction(endpoint)
        or None in scopes
    ):
        raise ValueError(f"{route.path} needs more than its caller and the request")
    return frozenset(scope for each in scopes for scope in each or ())


def _answers_get(route: RouteContext, path: str) -> bool:
    if isinstance(route.original_route, WebSocketRoute):
        return False
    pattern = getattr(route, "path_regex", None)  # a route by host has none, and may be for any path
    return (pattern is None or bool(pattern.match(path))) and (route.methods is None or "GET" in route.methods)


class _Direct:
    """ASGI middleware: answers the plain requests for one route, and passes all others on."""

    def __init__(
        self, app: ASGIApp, *, route: RouteContext, path: str, scopes: frozenset[str], endpoint: Endpoint
    ) -> None:
        self._app = app
        self._route = route
        self._path = path
        self._scopes = scopes
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_plain(scope):
            caller = caller_of(scope)
            if caller.scope.issuperset(self._scopes):
                scope["route"] = self._route
                response = await self._endpoint(caller, Request(scope, receive))
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_plain(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["path"] == self._path
            and scope["method"] == "GET"
            and not scope["query_string"]
            and not scope.get("root_path")
            # A request that announces no body has none. [RFC 9112 section 6.3]
            and not any(name in _ANNOUNCE_A_BODY for name, _ in scope["headers"])
        )
