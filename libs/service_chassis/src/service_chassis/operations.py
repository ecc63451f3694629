"""What an operator asks a process: is it alive, is it ready, what has it done. Never shown at the public door."""

import os
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.responses import JSONResponse

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Answers None when ready, or one sentence that says what is missing."""

Summary = Callable[[], Mapping[str, object]]
"""Says, as members of JSON, what a process knows at this moment: no check, but what an operator wants beside them."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one process, in a registry of their own so that two applications can live in one test."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        # Every worker has figures of its own: whoever asks is told whose these are.
        Info("worker", "Which of the service's processes this is.", registry=self.registry).info(
            {"pid": str(os.getpid())}
        )
        labels = ("method", "route", "status")
        self.requests = Counter("http_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "Time until a request was answered.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        # Finding a metric by its labels costs more than counting does.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request and the time that it took. All of `method`, `route` and `status` come from a short list."""
        counter = self._counters.get((method, route, status))
        if counter is None:
            counter = self._counters[method, route, status] = self.requests.labels(method, route, str(status))
        counter.inc()
        timer = self._timers.get((method, route))
        if timer is None:
            timer = self._timers[method, route] = self.seconds.labels(method, route)
        timer.observe(seconds)


def operations_router(
    metrics: Metrics, readiness: Mapping[str, ReadinessCheck], about: Mapping[str, Summary]
) -> APIRouter:
    """Return the routes `/healthz` (alive), `/readyz` (can do its work) and `/metrics` (Prometheus text)."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def ready() -> JSONResponse:
        checks = {name: await check() or "ready" for name, check in readiness.items()}
        is_ready = all(state == "ready" for state in checks.values())
        body = {"ready": is_ready, "worker": str(os.getpid()), "checks": checks}
        body |= {name: summary() for name, summary in about.items()}
        return JSONResponse(body, status_code=200 if is_ready else 503)

    @router.get("/metrics")
    async def figures() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


OPERATIONS_ROUTES = frozenset({"GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json"})
"""The internal routes that ask for no token, as a resource server lists them among its public ones."""
