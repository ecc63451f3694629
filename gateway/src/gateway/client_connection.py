"""The connection of a client: where one request ends and the next begins, and what a client may cost meanwhile.

There is one reader of what comes, `RequestFraming`, and it is strict: caps, deadlines and the strict reading hold for
the first request on a connection and for every later or pipelined one alike. uvicorn listens, keeps the connections
and ends them; its own parser is not asked, for it has no header-read deadline, takes a header of 100 MB and several
spellings of a body's length (docs/decisions/0018).
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.client_exchange import CLIENT_LEFT, ClientExchange, status_line
from gateway.lingering import LingeringTransport
from gateway.moving_deadline import MovingDeadline
from gateway.request_framing import RequestFraming, RequestHead
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


_ASGI = {"version": "3.0", "spec_version": "2.3"}


class ClientConnection(asyncio.Protocol):
    """A client's connection, as uvicorn wants the class of its connections to be. It serves one request at a time."""

    limits = ConnectionLimits()
    _written_once: "ClassVar[_WrittenOnce]"

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app = config.loaded_app
        self._server = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._framing = RequestFraming(self.limits.head_bytes)
        self._exchange: ClientExchange | None = None
        self._held = b""
        self._deadline = MovingDeadline(self._loop, self._time_is_up)
        self._awaits_head = True
        self._reading_paused = False
        self._writable: asyncio.Event | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock: a client that has connected has to say something."""
        self.transport = LingeringTransport(
            transport,  # type: ignore[arg-type]  # a stream's
            mid_body=lambda: self._framing.in_body,
            linger=self.limits.linger_seconds,
            unread=self.limits.unread_seconds,
        )
        self._address = _address(transport, "peername")
        self._own_address = _address(transport, "sockname")
        self._server.connections.add(self)  # type: ignore[arg-type]  # uvicorn lists its own classes
        self._deadline.set(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- however it came about
        """Let go of everything that belonged to the connection."""
        self._server.connections.discard(self)
        self._deadline.end()
        self._held = b""
        self.transport.lost()
        if self._exchange is not None:
            self._exchange.disconnect()
            self._exchange = None
        self.resume_writing()

    def shutdown(self) -> None:
        """End when what is under way has been answered: the server is about to."""
        if self._exchange is None:
            self.transport.close()
        else:
            self._exchange.keeps = False

    def pause_writing(self) -> None:
        """Mind that the client reads: whoever answers it waits until it does."""
        self._writable = asyncio.Event()
        self.transport.watch_reading(much_is_unread=True)

    def resume_writing(self) -> None:
        """Let the answer go on."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        self.transport.watch_reading(much_is_unread=False)

    def may_write(self) -> Awaitable[object] | None:
        """Return something to wait for while the client reads too slowly, else None."""
        return None if self._writable is None else self._writable.wait()

    def default_headers(self) -> bytes:
        """Return the lines that every answer has. uvicorn makes a new list of them when the second changes."""
        return self._written_once.of(self._server.default_headers)

    def data_received(self, data: bytes) -> None:
        """Take what belongs to the request under way; hold back what comes after it until it is answered."""
        if self.transport.is_closing():
            return
        if self._held:
            self._hold(data)
        else:
            self._advance(data)

    def _hold(self, data: bytes) -> None:
        """Keep what belongs to a later request, unread; its client is not to blame for the time until its turn.

        A little of it, for whoever does not listen at all would not hear that the client leaves.
        """
        self._held += data
        self._deadline.clear()
        self._awaits_head = False
        if len(self._held) > self.limits.head_bytes:
            self._pause_reading()

    def _advance(self, data: bytes) -> None:
        while data and not self.transport.is_closing():
            if self._exchange is not None and not self._framing.in_body:
                self._hold(data)
                return
            try:
                piece, data = self._framing.take(data)
            except Problem as problem:
                self._refuse(problem)
                return
            if isinstance(piece, RequestHead):
                self._begin(piece)
            elif self._exchange is not None and self._exchange.body_came(piece, ended=not self._framing.in_body):
                self._pause_reading()
        if not self.transport.is_closing():
            self._set_clock()

    def _begin(self, head: RequestHead) -> None:
        self._exchange = exchange = ClientExchange(self, head)
        if not self._framing.in_body:
            exchange.body_came(b"", ended=True)
        path = head.path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "method": head.method,
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.fields,
            "client": self._address,
            "server": self._own_address,
            "state": self._app_state.copy(),
            "extensions": {CLIENT_LEFT: exchange.client_left},
        }
        task = self._loop.create_task(exchange.run(self._app, scope))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def answered(self) -> None:
        """Turn to the next request, or to what is left of this one's body."""
        self._exchange = None
        if self.transport.is_closing():
            return
        if self._held:
            # Not from within the answer's last write: a long pipeline would nest as deep as it is long.
            self._loop.call_soon(self._serve_next)
            return
        self.resume_reading()
        if self._framing.in_body:
            self._deadline.set(self.limits.linger_seconds)
        else:
            self._set_clock()

    def unanswered(self) -> None:
        """End the connection: there is no answer, or no end of it. Who gets not a byte may send the request again."""
        if self.transport.is_closing():
            return
        if self._exchange is None or self._exchange.started:
            self.transport.close()
        else:
            self._refuse(Problem(500, "internal_error", "Something went wrong here."))

    def _serve_next(self) -> None:
        """Turn to what was held back, and only then to what has come since."""
        if self.transport.is_closing():
            return
        held, self._held = self._held, b""
        self.resume_reading()
        self._advance(held)

    def _set_clock(self) -> None:
        if self._framing.in_head:
            if not self._awaits_head:  # the clock runs from the first byte, however many follow
                self._awaits_head = True
                self._deadline.set(self.limits.head_seconds)
            return
        if self._framing.in_body and self._exchange is None:
            return  # answered before its body has ended: the lingering clock runs
        if self._framing.forgiving and self._deadline.is_set:
            return  # an empty line buys no time
        self._awaits_head = False
        if self._exchange is not None:
            self._deadline.clear()
        else:
            self._deadline.set(self.limits.idle_seconds)

    def _time_is_up(self) -> None:
        if self._framing.in_head:
            self._refuse(Problem(408, "header_timeout", f"The headers took over {self.limits.head_seconds:g} seconds."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer what was refused and hang up; a request that was under way is told that its client left."""
        self._deadline.clear()
        if self._exchange is not None:
            self._exchange.disconnect()
            if self._exchange.started:
                self.transport.close()
                return
        body = problem_body(problem)
        fields = {"Content-Type": PROBLEM_MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
        lines = [
            b"%b: %b" % POLICY,
            *(f"{name}: {value}".encode() for name, value in (fields | problem.headers).items()),
        ]
        head = status_line(problem.status) + self.default_headers()
        self.transport.write(head + b"\r\n".join([*lines, b"", body]))
        self.transport.close_lingering()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()


class _WrittenOnce:
    """Headers as lines, written anew only when there is another list of them."""

    def __init__(self) -> None:
        self._headers: Sequence[tuple[bytes, bytes]] = ()
        self._lines = b""

    def of(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join(b"%b: %b\r\n" % field for field in headers)
        return self._lines


def _address(transport: asyncio.BaseTransport, which: str) -> tuple[str, int] | None:
    address = transport.get_extra_info(which)
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None


def client_connections(limits: ConnectionLimits) -> type[ClientConnection]:
    """Return the connections' class with these limits, for uvicorn: `http` of its configuration."""
    return type("ClientConnection", (ClientConnection,), {"limits": limits, "_written_once": _WrittenOnce()})
