"""The connection at the door: uvicorn's HTTP protocol behind a guard of our own.

uvicorn has no header-read deadline, and its parser takes a header of 100 MB and several spellings of a body's length.
The guard stands before the parser and is not a setting of the server: `RequestFraming` sees every byte first, so caps,
deadlines and the strict reading hold for the first request on a connection and for every later or pipelined one alike.

Another ASGI server: keep `RequestFraming` and write this file anew as a wrapper of that server's protocol. What it has
to do is what `data_received`, `pause_writing`, `_serve_next` and `_refuse` do here: pass bytes on only through `take`,
one request at a time, watch the durations of `ConnectionLimits`, and answer a refusal before closing. For a server
whose connections cannot be wrapped in Python (granian, say), run the same `RequestFraming` in a stream proxy in front
of it.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.lingering import LingeringTransport
from gateway.request_framing import RequestFraming
from gateway.security_headers import POLICY
from service_chassis.problems import PROBLEM_MEDIA_TYPE, Problem, problem_body


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client's connection may cost. Bytes and seconds."""

    head_bytes: int = 16 * 1024
    """Request line and header fields together; above it 431."""
    head_seconds: float = 10.0
    """From a head's first byte to its last, and for a new connection's first head; above it 408."""
    idle_seconds: float = 75.0
    """Between two requests; above it the connection is closed without a word."""
    linger_seconds: float = 2.0
    """How long a body that nobody wants any more is read and dropped, so that its sender gets to read the answer."""
    unread_seconds: float = 30.0
    """How long a client may take nothing of what was written for it; above it the connection is cut."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, fed only with what the guard has understood."""

    limits = ConnectionLimits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._framing = RequestFraming(self.limits.head_bytes)
        self._held = b""
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awaits_head = True
        self._answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Start the clock: a client that has connected has to say something."""
        self._door = LingeringTransport(
            transport,
            mid_body=lambda: self._framing.in_body,
            linger=self.limits.linger_seconds,
            unread=self.limits.unread_seconds,
        )
        super().connection_made(self._door)
        self._watch(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything that belonged to the connection."""
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held = b""
        self._door.lost()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Mind that the client reads: whoever answers it waits until it does."""
        super().pause_writing()
        self._door.watch_reading(much_is_unread=True)

    def resume_writing(self) -> None:
        """Let the answer go on."""
        super().resume_writing()
        self._door.watch_reading(much_is_unread=False)

    def data_received(self, data: bytes) -> None:
        """Pass on what belongs to the request under way; hold back what comes after it until it is answered."""
        if self.transport.is_closing():
            return
        if self._held or (self._answering and not self._framing.in_body):
            self._hold(data)
            return
        self._advance(data)

    def _hold(self, data: bytes) -> None:
        """Keep what belongs to a later request, unread; its client is not to blame for the time until its turn."""
        self._held += data
        self._unwatch()
        self._awaits_head = False
        self.flow.pause_reading()

    def on_headers_complete(self) -> None:
        """Begin a request: until it is answered, nothing after it is looked at."""
        self._answering = True
        super().on_headers_complete()

    def _advance(self, data: bytes) -> None:
        while data and not self.transport.is_closing():
            if self._answering and not self._framing.in_body:
                self._hold(data)
                return
            try:
                piece, data = self._framing.take(data)
            except Problem as problem:
                self._refuse(problem)
                return
            if piece:
                super().data_received(piece)
        if not self.transport.is_closing():
            self._set_clock()

    def _set_clock(self) -> None:
        if self._framing.in_head:
            if not self._awaits_head:  # the clock runs from the first byte, however many follow
                self._awaits_head = True
                self._watch(self.limits.head_seconds)
            return
        if self._framing.in_body and not self._answering:
            return  # answered before its body has ended: the lingering clock runs
        self._awaits_head = False
        if self._answering:
            self._unwatch()
        else:
            self._watch(self.limits.idle_seconds)

    def on_response_complete(self) -> None:
        """Turn to the next request, or to what is left of this one's body."""
        self._answering = False
        # What uvicorn does here, without its queue and its clock: we have our own of both.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._held:
            # Not from within the answer's last write: a long pipeline would nest as deep as it is long.
            self.loop.call_soon(self._serve_next)
            return
        self.flow.resume_reading()
        if self._framing.in_body:
            self._watch(self.limits.linger_seconds)
        else:
            self._set_clock()

    def _serve_next(self) -> None:
        """Turn to what was held back, and only then to what has come since."""
        if self.transport.is_closing():
            return
        held, self._held = self._held, b""
        self.flow.resume_reading()
        self._advance(held)

    def _watch(self, seconds: float) -> None:
        """Let the time be up in so many seconds; a timer that rings too early for it may stay, and is set anew then."""
        self._due = due = self.loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._ring)

    def _unwatch(self) -> None:
        self._due = None

    def _ring(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self.loop.time():
            self._timer = self.loop.call_at(self._due, self._ring)
        else:
            self._due = None
            self._time_is_up()

    def _time_is_up(self) -> None:
        if self._framing.in_head:
            self._refuse(Problem(408, "header_timeout", f"The headers took over {self.limits.head_seconds:g} seconds."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer what was refused and hang up; a request that was under way is told that its client left."""
        self._unwatch()
        if self._answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        body = problem_body(problem)
        fields = {"Content-Type": PROBLEM_MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
        lines = [
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode(),
            *(b"%b: %b" % field for field in (*self.server_state.default_headers, POLICY)),
            *(f"{name}: {value}".encode() for name, value in (fields | problem.headers).items()),
        ]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self._door.close_lingering()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's own words, which are not our shape
        """Answer what the guard let through and the parser did not."""
        self._refuse(Problem(400, "malformed_request", "This is not an HTTP/1.1 request."))


def guarded_protocol(limits: ConnectionLimits) -> type[GuardedProtocol]:
    """Return the protocol class with these limits, as uvicorn wants it: a class that it makes connections of."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits})
