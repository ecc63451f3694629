"""What an operator asks a process: is it alive, is it ready, what has it done. Never shown at the public door."""

import os
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import accumulate

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Info, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.responses import JSONResponse

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Answers None when ready, or one sentence that says what is missing."""

Summary = Callable[[], Mapping[str, object]]
"""Says, as members of JSON, what a process knows at this moment: no check, but what an operator wants beside them."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestFigures(Collector):
    """How many requests were answered, and how long they took: plain numbers until somebody asks for them.

    The library's own counters take a lock at each step, which one event loop has no need of. Every request pays for it.
    """

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, int], int] = {}
        self._took: dict[tuple[str, str], list[int]] = {}
        self._seconds: dict[tuple[str, str], float] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request and the time that it took. All of `method`, `route` and `status` come from a short list."""
        answered, took = (method, route, status), (method, route)
        self._answered[answered] = self._answered.get(answered, 0) + 1
        if took not in self._took:
            self._took[took] = [0] * (len(_BUCKETS) + 1)
        self._took[took][bisect_left(_BUCKETS, seconds)] += 1
        self._seconds[took] = self._seconds.get(took, 0.0) + seconds

    def collect(self) -> Iterable[Metric]:
        """Return the figures as they stand."""
        requests = CounterMetricFamily("http_requests", "Requests answered.", labels=("method", "route", "status"))
        for (method, route, status), number in self._answered.items():
            requests.add_metric((method, route, str(status)), number)
        duration = HistogramMetricFamily(
            "http_request_duration_seconds", "Time until a request was answered.", labels=("method", "route")
        )
        for took, numbers in self._took.items():
            bounds = [*map(floatToGoString, _BUCKETS), "+Inf"]
            duration.add_metric(
                took, list(zip(bounds, map(float, accumulate(numbers)), strict=True)), self._seconds[took]
            )
        return requests, duration


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
        self.requests = RequestFigures()
        self.registry.register(self.requests)


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
