"""The gateway, wired: the only place where its parts meet."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.browser_edge import BrowserEdge
from gateway.cookie_passage import CookiePassage
from gateway.cookies import Cookies
from gateway.cors import Cors
from gateway.forwarding import Forwarder
from gateway.laboratory import FOLDER, Laboratory
from gateway.merged_openapi import MergedOpenAPI
from gateway.own_pages import OwnPages
from gateway.problem_answer import send_problem
from gateway.refreshing import Refresher
from gateway.renewals import Renewals
from gateway.routes import Route, RouteTable
from gateway.security_headers import POLICY
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstream
from service_chassis.observed import Observed
from service_chassis.operations import Metrics, operations_router
from service_chassis.problems import Problem, install_problem_handlers


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is, in seconds: since whenever, never going back; and since the epoch."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Gateway:
    """The application at the public door: pages of its own, and everything in the route table.

    It is ready from lifespan startup on, and closes its connections at shutdown; `send_problem` answers what any part
    refuses.
    """

    def __init__(self, routes: RouteTable, settings: GatewaySettings, *, clocks: Clocks) -> None:
        limits = settings.upstream_limits
        self._routes = routes
        self._upstreams = {
            name: Upstream(name, origin, limits, clock=clocks.monotonic) for name, origin in settings.origins.items()
        }
        self._forwarder = Forwarder(limits)
        self._laboratory = Laboratory(settings.laboratory, limits, self._forwarder) if settings.laboratory else None
        self._edge = _browser_edge(settings, self._forwarder, self._upstreams["auth"], clocks=clocks)
        self._pages = OwnPages(
            MergedOpenAPI(self._upstreams, routes, max_age=settings.openapi_seconds, clock=time.monotonic),
            laboratory={name: f"{FOLDER}/{name}" for name in settings.laboratory},
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
            route = self._route(scope, raw_path)
            upstream = self._upstreams[route.upstream]
            if self._edge.concerns(scope):
                await self._edge.serve(route, upstream, scope, receive, send)
            else:
                await self._forwarder.forward(upstream, scope, receive, send)
        except Problem as problem:
            await send_problem(problem, send)

    async def ready(self) -> str | None:
        """Say why nothing can be forwarded, if so. An upstream that is down is no reason: the others are served."""
        return None if self._started else "The gateway has not started, or is ending."

    def _route(self, scope: Scope, raw_path: bytes) -> Route:
        route = self._routes.find(raw_path)
        if route is None:
            raise Problem(404, "not_found", "There is nothing at this path.")
        if not scope["query_string"].isascii():
            raise Problem(400, "malformed_request", "The query contains characters that have no place in one.")
        scope["route"] = route
        return route

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


def _browser_edge(settings: GatewaySettings, forwarder: Forwarder, auth: Upstream, *, clocks: Clocks) -> BrowserEdge:
    cookies = Cookies(settings.public_origin)
    renewals = Renewals(keep=settings.renewal_keep_seconds, clock=clocks.monotonic)
    refresher = Refresher(forwarder, auth, renewals, deadline=settings.upstream_answer_seconds)
    passage = CookiePassage(cookies, refresher, forwarder, clock=clocks.wall)
    return BrowserEdge(
        settings.public_origin,
        cookies=cookies,
        refresher=refresher,
        passage=passage,
        forwarder=forwarder,
        auth=auth,
    )


def create_app(
    settings: GatewaySettings, *, routes: RouteTable | None = None, clocks: Clocks | None = None
) -> tuple[ASGIApp, FastAPI]:
    """Return the two applications of the gateway: the public one, and the operators' for the internal listener.

    `routes` is the table of public routes, the product's own unless a test brings another; `clocks` likewise.
    """
    metrics = Metrics()
    gateway = Gateway(routes or RouteTable(), settings, clocks=clocks or Clocks())
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
