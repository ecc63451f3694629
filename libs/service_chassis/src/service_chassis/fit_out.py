"""Puts the chassis around a FastAPI application, in the two layers between which verification stands."""

from collections.abc import Collection, Mapping
from typing import Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from service_chassis.documentation import document_problems
from service_chassis.head import AnswerHead
from service_chassis.observed import Observed
from service_chassis.operations import Metrics, ReadinessCheck, Summary, operations_router
from service_chassis.problems import install_problem_handlers
from service_chassis.query_parameters import EachParameterOnce
from service_chassis.request_bodies import JsonBodies

NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own traces and figures: it would ask at each request whether anyone wants them. Ours are in `Observed`."""


def take_json(
    app: FastAPI, *, media_types: Collection[str] = ("application/json",), forms: Collection[str] = ()
) -> None:
    """Add the inner layer: bodies and queries are checked, refusals are problems, HEAD is known.

    Call it before verification.

    `forms` are the paths whose bodies are forms instead of JSON.
    """
    install_problem_handlers(app)
    document_problems(app)
    app.add_middleware(AnswerHead)
    app.add_middleware(JsonBodies, media_types=media_types, forms=forms)
    app.add_middleware(EachParameterOnce)


def observe(
    app: FastAPI,
    *,
    readiness: Mapping[str, ReadinessCheck],
    about: Mapping[str, Summary] | None = None,
    timed_as: str | None = None,
) -> Metrics:
    """Add the outer layer: probes, metrics, traces, the last answer to errors. Call it after verification is added.

    `about`: what `/readyz` says besides, under names of its own. `timed_as`: as what answers say how long they took.
    """
    metrics = Metrics()
    app.include_router(operations_router(metrics, readiness, about or {}))
    app.add_middleware(Observed, metrics=metrics, timed_as=timed_as)
    return metrics
