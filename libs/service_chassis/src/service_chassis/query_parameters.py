"""Query parameters: each stands in a request once."""

from collections import Counter
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from service_chassis.problems import Problem, printable, problem_response

_MOST_NAMED = 50


class EachParameterOnce:
    """ASGI middleware: 422 for a query in which a parameter stands twice, naming it.

    One reader would take the first of them, another the last.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        query = scope["query_string"] if scope["type"] == "http" else b""
        if b"&" in query and (twice := _twice(query.decode("latin-1"))):
            errors = [{"field": printable(name), "message": "stands in the query more than once"} for name in twice]
            detail = "The request's parameters are not what this endpoint takes."
            refusal = Problem(422, "invalid_parameters", detail, errors=errors)
            await problem_response(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _twice(query: str) -> list[str]:
    names = Counter(name for name, _ in parse_qsl(query, keep_blank_values=True))
    return [name for name, times in names.items() if times > 1][:_MOST_NAMED]
