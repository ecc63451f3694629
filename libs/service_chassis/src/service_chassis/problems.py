"""Errors as answers: one shape for all of them, `application/problem+json` (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

PROBLEM_MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger()

# What the framework itself refuses, in our words. Anything else it may raise keeps its status and this shape.
_FRAMEWORK_REASONS = {
    400: ("malformed_body", "The body is not JSON that can be read."),
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not know that method; `Allow` names those it knows."),
}


class Problem(Exception):  # noqa: N818 -- the RFC's word for it
    """An error that knows its answer.

    `status` is the HTTP status, `reason` a stable word for programs, `detail` one sentence for people; `extras` become
    further members of the document. Nothing in it may come from a token, a password or a cookie. [RFC 9457 section 3]
    """

    def __init__(
        self, status: int, reason: str, detail: str, *, headers: Mapping[str, str] | None = None, **extras: object
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})
        self.extras = extras


class Unavailable(Problem):
    """503: something that this process needs is away for now. `retry_after` is in seconds. [RFC 9110 section 10.2.3]"""

    def __init__(self, reason: str, detail: str, *, retry_after: int) -> None:
        super().__init__(503, reason, detail, headers={"Retry-After": str(retry_after)})


def problem_members(problem: Problem) -> dict[str, object]:
    """Return what the document of a problem says, for answers that say more beside it."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "reason": problem.reason,
    }
    return document | problem.extras


def problem_body(problem: Problem) -> bytes:
    """Return the JSON document of a problem, for those who answer without a framework."""
    return json.dumps(problem_members(problem), ensure_ascii=False).encode()


def problem_response(problem: Problem) -> Response:
    """Return the whole answer to a problem."""
    return Response(
        problem_body(problem), status_code=problem.status, headers=problem.headers, media_type=PROBLEM_MEDIA_TYPE
    )


def logged_response(problem: Problem) -> Response:
    """Return the whole answer to a problem, which the log gets to know of if it is a failure of ours."""
    if problem.status >= 500:
        _log.warning("answered_unavailable", reason=problem.reason, detail=problem.detail)
    return problem_response(problem)


def install_problem_handlers(app: FastAPI) -> None:
    """Let the application answer everything it refuses with a problem document."""

    async def answer_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 -- Starlette's handler type is wider than what it calls us with
        return logged_response(error)

    async def answer_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- same reason
        reason, detail = _FRAMEWORK_REASONS.get(error.status_code, ("refused", str(error.detail)))
        headers = error.headers if error.status_code != 405 else {"Allow": _allowed(app, request)}
        return problem_response(Problem(error.status_code, reason, detail, headers=headers))

    async def answer_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 -- same reason
        return problem_response(_validation_problem(error))

    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_framework)
    app.add_exception_handler(RequestValidationError, answer_validation)


def _allowed(app: FastAPI, request: Request) -> str:
    """Name all methods of a path; the router itself names those of the first route that it finds there."""
    path = getattr(request.scope.get("route"), "path", None)
    routes = [route for route in iter_route_contexts(app.routes) if route.path == path]
    methods = {method for route in routes for method in route.methods or ()}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


_MOST_ERRORS = 50
"""Faults named in one answer: nobody reads more, and a body of nothing but faults shall not become a longer answer."""


def _validation_problem(error: RequestValidationError) -> Problem:
    details = error.errors()
    if any(detail["type"] == "json_invalid" for detail in details):
        return Problem(400, *_FRAMEWORK_REASONS[400])
    # The input itself is never repeated: it may be a password.
    errors = [{"field": _field(detail["loc"][1:]), "message": str(detail["msg"])} for detail in details[:_MOST_ERRORS]]
    if all(detail["loc"][0] == "body" for detail in details):
        return Problem(422, "invalid_body", "The body is JSON, but not what this endpoint takes.", errors=errors)
    return Problem(
        422, "invalid_parameters", "The request's parameters are not what this endpoint takes.", errors=errors
    )


def _field(location: tuple[str | int, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return printable(path.removeprefix(".")) or "(the whole)"


def printable(name: str) -> str:
    """Return the name of a field for an answer: where an unknown one is refused it is the caller's text."""
    return "".join(character if character.isprintable() else "?" for character in name[:200])
