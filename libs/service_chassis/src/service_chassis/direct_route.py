"""The route that is asked most, answered without what FastAPI does for routes that need it."""

from collections.abc import Awaitable, Callable
from typing import Final, get_args

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from token_verification import AccessToken
from token_verification.fastapi import Caller, caller_of

_GIVES_CALLER: Final = get_args(Caller)[1].dependency

Endpoint = Callable[[AccessToken, Request], Awaitable[Response]]


def serve_directly(app: FastAPI, endpoint: Endpoint) -> None:
    """Let an endpoint of the application be called without the search for its route and for what it depends on.

    It takes the caller and the request and nothing else, returns a whole Response, and answers GET on a path without
    parameters, behind nothing but `requires_scope`. FastAPI's own route stays: it is what is documented, and what
    refuses other methods. Call it once the routes are there. ValueError for an endpoint that is not of this kind.
    """
    of_endpoint = [each for each in iter_route_contexts(app.routes) if getattr(each, "endpoint", None) is endpoint]
    if len(of_endpoint) != 1 or not isinstance(of_endpoint[0].original_route, APIRoute):
        raise ValueError(f"{endpoint} is not the endpoint of one route")
    app.router.routes.insert(0, _DirectRoute(of_endpoint[0], endpoint))


class _DirectRoute(Route):
    """Stands before all other routes, and inside of everything that stands around them."""

    def __init__(self, route: RouteContext, endpoint: Endpoint) -> None:
        # The route as it is within the application: with the path and the dependencies of all routers around it.
        super().__init__(route.path or "", endpoint, methods=["GET"], include_in_schema=False)
        takes = route.dependant
        parameters = [
            *takes.path_params, *takes.query_params, *takes.header_params, *takes.cookie_params, *takes.body_params,
        ]  # fmt: skip
        self._requirements = [each.dependency for each in route.dependencies if each.dependency is not None]
        scopes_alone = all(getattr(each, "scopes", None) for each in route.dependencies)
        its_own = [each.call for each in takes.dependencies if each.call not in self._requirements]
        if route.methods != {"GET"} or parameters or not scopes_alone or its_own != [_GIVES_CALLER]:
            raise ValueError(f"{route.path} needs more than its caller and the request")
        self._answer = endpoint
        self._child_scope = {"endpoint": endpoint, "route": self}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        is_plain = scope["type"] == "http" and not scope.get("root_path")
        if is_plain and scope["path"] == self.path and scope["method"] == "GET":
            return Match.FULL, self._child_scope
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        for has_scope in self._requirements:
            await has_scope(caller)
        response = await self._answer(caller, Request(scope, receive))
        await response(scope, receive, send)
