"""The outermost layer of every application: what happens to a request, whatever is inside."""

import time
from collections.abc import Awaitable, Iterable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_chassis.operations import Metrics
from service_chassis.problems import Problem, logged_response, problem_response
from service_chassis.server_timing import Timing, current_timing
from service_chassis.tracing import current_trace, trace_of

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.get_logger()


class Observed:
    """ASGI middleware: gives each request its trace, counts it, and answers what nobody inside has answered.

    The request's id and its trace are in every log line written while it is served; the answer carries `X-Request-Id`,
    and `tracing.outgoing_headers` hands both to whatever is called on the way. Requests are counted and timed by route
    and never by path. An error nobody foresaw is logged with its trace, and answered without it; what other middleware
    refuses by a Problem, with no handler around it, gets that answer here. `timed_as`: the name under which the answer
    says in `Server-Timing` how long it took, and what of it took how long; None: it does not.

    One layer and not one for each of these, and its `send` is no coroutine of its own: every request pays for each.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        timed_as: str | None = None,
        *,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """`headers` go on the answers that are given here, because nobody inside gave one."""
        self._app = app
        self._timed_as = timed_as
        self._headers = {name.decode(): value.decode() for name, value in headers}
        self._count = metrics.requests.count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        trace = trace_of(scope["headers"])
        request_id = (b"x-request-id", trace.request_id.encode())
        status = 0
        timing = None if self._timed_as is None else Timing(self._timed_as, started)

        def watching_send(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                fields = [field for field in message.get("headers", ()) if field[0] != b"x-request-id"]
                fields.append(request_id)
                message["headers"] = fields if timing is None else timing.in_one_field(fields)
            return send(message)

        reset = current_trace.set(trace)
        if timing is not None:
            current_timing.set(timing)
        try:
            await self._app(scope, receive, watching_send)
        except Problem as refusal:
            if status:
                raise
            refusal.headers = self._headers | refusal.headers
            await logged_response(refusal)(scope, receive, watching_send)
        except Exception:
            _log.exception("request_failed", method=scope["method"], path=scope["path"])
            if status:
                raise  # the server cuts the connection, so that the client sees a truncated answer and not a whole one
            problem = Problem(
                500,
                "internal_error",
                "Something went wrong here. The request id names it in the log.",
                headers=self._headers,
            )
            await problem_response(problem)(scope, receive, watching_send)
        finally:
            # A path or a made-up method as a label would let anyone grow this process's memory.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "unmatched")
            self._count(method, route, status or 500, time.perf_counter() - started)
            current_trace.reset(reset)
