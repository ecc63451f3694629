"""A problem as an answer, in ASGI alone."""

from starlette.types import Send

from gateway.security_headers import POLICY
from service_chassis.problems import PROBLEM_MEDIA_TYPE, Problem, problem_body


async def send_problem(problem: Problem, send: Send) -> None:
    """Answer with a problem document."""
    body = problem_body(problem)
    headers = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        POLICY,
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
