"""Who a request is, across processes: W3C Trace Context, and a request id that a person can quote."""

import re
from collections.abc import Iterable
from contextvars import ContextVar
from random import getrandbits
from typing import NamedTuple

from structlog.typing import EventDict, WrappedLogger

# W3C Trace Context, section 3.2: version 00, no id all zeros; a later version may carry more fields behind a dash.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")


class Trace(NamedTuple):
    """The trace that a request belongs to, and the request's own id."""

    trace_id: str
    flags: str
    request_id: str


current_trace: ContextVar[Trace] = ContextVar("trace")
"""The trace of the request that is being served; whoever serves one sets it."""


def trace_of(headers: Iterable[tuple[bytes, bytes]]) -> Trace:
    """Return a request's trace: from its `traceparent` and `X-Request-Id` where they are well-formed, else made anew.

    `headers` have lower-case names. Of several values of one header, none is believed.
    """
    traceparent = given = None
    for name, value in headers:
        if name == b"traceparent":
            traceparent = value if traceparent is None else b""
        elif name == b"x-request-id":
            given = value if given is None else b""
    # Ids have to differ, and are no secret: what makes them may cost no system call.
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    trace_id, flags = (found[1].decode(), found[2].decode()) if found else (f"{getrandbits(128):032x}", "00")
    request_id = given.decode() if given and _REQUEST_ID.fullmatch(given) else f"{getrandbits(64):016x}"
    return Trace(trace_id, flags, request_id)


def outgoing_headers() -> dict[str, str]:
    """Return the headers that carry this request's trace to the next process; empty outside a request.

    Each call makes a span id of its own, as the specification asks of whoever calls onwards.
    """
    trace = current_trace.get(None)
    if trace is None:
        return {}
    traceparent = f"00-{trace.trace_id}-{getrandbits(64):016x}-{trace.flags}"
    return {"traceparent": traceparent, "x-request-id": trace.request_id}


def name_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put the trace of the request that is being served into a line of the log."""
    trace = current_trace.get(None)
    if trace is not None:
        event["request_id"] = trace.request_id
        event["trace_id"] = trace.trace_id
    return event
