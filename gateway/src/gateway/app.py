"""The gateway, wired: the only place where its parts meet."""

import time
from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.cors import Cors
from gateway.forwarding import Forwarder, send_problem
from gateway.laboratory import FOLDER, Laboratory
from gateway.merged_openapi import MergedOpenAPI
from gateway.own_pages import OwnPages
from gateway.routes import RouteTable
from gateway.security_headers import POLICY
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstream, UpstreamLimits
from service_chassis.observed import Observed
from service_chassis.operations import Metrics, operations_router
from service_chassis.problems import Problem, install_problem_handlers


class Gateway:
    """The application at the public door: pages of its own, and everything in the route table.

    It is ready from lifespan startup on, and closes its connections at shutdown; `send_problem` answers what any part
    refuses.
    """

    def __init__(
        self,
        routes: RouteTable,
        origins: Mapping[str, str],
        limits: UpstreamLimits,
        *,
        openapi_seconds: float,
        laboratory: Mapping[str, str],
    ) -> None:
        self._routes = routes
        self._upstreams = {name: Upstream(name, origin, limits) for name, origin in origins.items()}
        self._forwarder = Forwarder(limits)
        self._laboratory = Laboratory(laboratory, limits, self._forwarder) if laboratory else None
        self._pages = OwnPages(
            MergedOpenAPI(self._upstreams, routes, max_age=openapi_seconds, clock=time.monotonic),
            laboratory={name: f"{FOLDER}/{name}" for name in laboratory},
        )
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] == "websocket":
            await _deny_websocket(scope, receive, send)
            return
        try:
            raw_path: bytes = scope["raw_path"]
            if self._pages.has(raw_path):
                await self._pages.answer(raw_path, scope, send)
                return
            if self._laboratory is not None and self._laboratory.has(raw_path):
                await self._laboratory.serve(scope, receive, send)
                return
            upstream = self._upstream(scope, raw_path)
            await self._forwarder.forward(upstream, scope, receive, send)
        except Problem as problem:
            await send_problem(problem, send)

    async def ready(self) -> str | None:
        """Say why nothing can be forwarded, if so. An upstream that is down is no reason: the others are served."""
        return None if self._started else "The gateway has not started, or is ending."

    def _upstream(self, scope: Scope, raw_path: bytes) -> Upstream:
        route = self._routes.find(raw_path)
        if route is None:
            raise Problem(404, "not_found", "There is nothing at this path.")
        if not scope["query_string"].isascii():
            raise Problem(400, "malformed_request", "The query contains characters that have no place in one.")
        scope["route"] = route
        return self._upstreams[route.upstream]

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._started = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._started = False
        for upstream in self._upstreams.values():
            upstream.pool.close()
        if self._laboratory is not None:
            self._laboratory.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _deny_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):

        async def send_denial(message: Message) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        await send_problem(Problem(400, "invalid_request", "WebSockets are not spoken here."), send_denial)
    else:
        await send({"type": "websocket.close", "code": 1008})


def create_app(settings: GatewaySettings, *, routes: RouteTable | None = None) -> tuple[ASGIApp, FastAPI]:
    """Return the two applications of the gateway: the public one, and the operators' for the internal listener.

    `routes` is the table of public routes, the product's own unless a test brings another.
    """
    metrics = Metrics()
    gateway = Gateway(
        routes or RouteTable(),
        settings.origins,
        settings.upstream_limits,
        openapi_seconds=settings.openapi_seconds,
        laboratory=settings.laboratory,
    )
    operations = FastAPI(openapi_url=None)
    install_problem_handlers(operations)
    operations.include_router(operations_router(metrics, {"forwarding": gateway.ready}, {}))
    door: ASGIApp = Cors(gateway, settings.cors_origins) if settings.cors_origins else gateway
    timed_as = "gateway" if settings.server_timing else None
    public: ASGIApp = Observed(door, metrics, timed_as=timed_as, headers=(POLICY,))
    if settings.proxies:
        named = [str(network) for network in settings.proxies]
        public = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", public), named))  # uvicorn has types of its own
    return public, operations
