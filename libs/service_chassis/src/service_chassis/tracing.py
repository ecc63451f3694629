"""Who a request is, across processes: W3C Trace Context, and a request id that a person can quote."""

import re
import secrets
from contextvars import ContextVar

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# W3C Trace Context, section 3.2: version 00, no id all zeros; a later version may carry more fields behind a dash.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")

_current: ContextVar[tuple[str, str, str]] = ContextVar("trace")


class TraceContext:
    """ASGI middleware: takes a request's `traceparent` and `X-Request-Id` where they are well-formed, else makes them.

    Both are in every log line written while the request is served, the answer carries `X-Request-Id`, and
    `outgoing_headers` hands them to whatever is called on the way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request inside its trace."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        traceparent = _only(scope, b"traceparent")
        found = _TRACEPARENT.fullmatch(traceparent)
        trace_id, flags = (found[1].decode(), found[2].decode()) if found else (secrets.token_hex(16), "00")
        given = _only(scope, b"x-request-id")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        reset = _current.set((trace_id, flags, request_id))
        try:
            with structlog.contextvars.bound_contextvars(request_id=request_id, trace_id=trace_id):
                await self._app(scope, receive, send_with_id)
        finally:
            _current.reset(reset)


def outgoing_headers() -> dict[str, str]:
    """Return the headers that carry this request's trace to the next process; empty outside a request.

    Each call makes a span id of its own, as the specification asks of whoever calls onwards.
    """
    trace = _current.get(None)
    if trace is None:
        return {}
    trace_id, flags, request_id = trace
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-{flags}", "x-request-id": request_id}


def _only(scope: Scope, name: bytes) -> bytes:
    """Return the one value of a header; of several, none is believed."""
    values = [value for header, value in scope["headers"] if header == name]
    return values[0] if len(values) == 1 else b""
