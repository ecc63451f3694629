"""Forwarding: one request to one upstream and its answer back, both as streams.

Pure ASGI over connections of our own (docs/decisions/0013). Of an answer nothing here holds more than a little; of a
request's body, as much as a service takes: a client that sends slowly keeps nothing busy but its own connection.
"""

import asyncio
from collections.abc import Awaitable
from enum import Enum, auto

import structlog
from starlette.types import Receive, Scope, Send

from gateway.client_exchange import CLIENT_LEFT
from gateway.header_rules import client_headers, request_head, upstream_fields
from gateway.held_bodies import HeldBodies
from gateway.methods import READING, REPEATABLE
from gateway.punctuality import EVERY, Punctuality
from gateway.response_framing import AnswerHead, BrokenAnswer
from gateway.upstream_connection import NoAnswer, UpstreamConnection
from gateway.upstreams import Upstream, UpstreamLimits
from service_chassis.problems import Problem, Unavailable
from service_chassis.server_timing import part
from service_chassis.tracing import outgoing_headers

_log = structlog.get_logger()

_BODILESS = frozenset({204, 205, 304})


class Forwarder:
    """Sends requests on to upstreams, within limits."""

    def __init__(self, limits: UpstreamLimits) -> None:
        self.limits = limits
        self.held = HeldBodies(limits.uploads_held_bytes)
        self.punctuality = Punctuality()

    async def forward(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request from an upstream: path and query go on byte for byte, bodies piece by piece.

        Raises `Problem` for what has to be answered by the gateway itself; then nothing has been sent. An answer that
        breaks off after it has begun is never ended cleanly: this returns without the last piece, and the server cuts
        the connection.
        """
        exchange = _Exchange(self, upstream, scope, receive, send)
        self.punctuality.enter(exchange)
        try:
            await exchange.run()
        finally:
            self.punctuality.leave(exchange)


class _ClientLeft(Exception):  # noqa: N818 -- not an error: nobody is left to be told of one
    pass


class _Waiting(Enum):
    """Whom a passing moment is counted against."""

    CLIENT_SENDS = auto()
    TURN = auto()
    UPSTREAM = auto()
    CLIENT_READS = auto()


class _Ending(Enum):
    """Why an exchange was ended from outside."""

    CLIENT_LEFT = auto()
    LATE = auto()
    GIVES_TURN_UP = auto()


class _Exchange:
    # What most exchanges never change stands here: to set it anew for each of them costs more than its look-up.
    _waiting = _Waiting.UPSTREAM
    _due: float | None = None
    _ending: _Ending | None = None
    _refusal: Problem | None = None
    _connection: UpstreamConnection | None = None
    _uploading: asyncio.Task[None] | None = None
    _size = 0
    _chunked = _request_ended = _has_turn = _started = _answered = False

    def __init__(self, forwarder: Forwarder, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        self._limits = limits = forwarder.limits
        self._held = forwarder.held
        self._upstream = upstream
        self._scope = scope
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        now = self._loop.time()
        self._patience = limits.answer_seconds
        self._exchange_end = now + limits.exchange_seconds
        self._upload_end = now + min(limits.upload_seconds, limits.exchange_seconds)

    async def run(self) -> None:
        scope, upstream = self._scope, self._upstream
        try:
            client, query = scope["client"], scope["query_string"]
            fields = upstream_fields(
                scope["headers"], client=client and client[0], scheme=scope["scheme"], trace=outgoing_headers()
            )
            if upstream.own_cookie is not None:
                fields += upstream.own_cookie.inwards(scope["headers"])
            begun = await self._body(fields)
            target = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
            request = request_head(scope["method"], target, upstream.authority, fields) + begun
            if not upstream.turns.take_at_once():
                self._wait_for(_Waiting.TURN, self._limits.queue_seconds)
                # From now on, not from the next look: a service's own time comes on top of it.
                self._due = self._loop.time() + self._limits.queue_seconds
                await upstream.turns.take()
            self._has_turn = True
            self._wait_for(_Waiting.UPSTREAM, self._limits.answer_seconds)
            with part("upstream"):
                asked = await self._ask(request)
            await self._answer(*asked)
        except _ClientLeft:
            return
        except (BrokenAnswer, OSError) as error:
            self._break_off(error)
        except asyncio.CancelledError:
            if self._ending is None or self._task is None or self._task.uncancel():
                raise
            if self._ending is not _Ending.CLIENT_LEFT:
                self._break_off(self._late())
        finally:
            self._let_go()

    async def _ask(self, request: bytes) -> tuple[UpstreamConnection, AnswerHead]:
        """Send the request, or as much of it as is here, and return the beginning of its answer."""
        pool, method = self._upstream.pool, self._scope["method"]
        kept = pool.take()
        if kept is not None:
            try:
                return kept, await self._ask_on(kept, request)
            except NoAnswer:
                # It was closed while it stood idle, or just now. Only what is idempotent, and is all here, may be sent
                # again: the service may have acted on it.
                if method not in REPEATABLE or self._uploading is not None:
                    raise
        fresh = await pool.open()
        return fresh, await self._ask_on(fresh, request)

    async def _ask_on(self, connection: UpstreamConnection, request: bytes) -> AnswerHead:
        self._connection = connection
        connection.ask(request, to_head=self._scope["method"] == "HEAD")
        if not self._request_ended:
            self._uploading = self._loop.create_task(self._upload(connection))
        return await connection.head()

    def _let_go(self) -> None:
        """Let others have what this exchange needs of the upstream no more."""
        if self._uploading is not None:
            self._uploading.cancel()
        if self._connection is not None:
            if self._request_ended:
                self._upstream.pool.give_back(self._connection)
            else:
                self._connection.close()
            self._connection = None
        if self._has_turn:
            self._has_turn = False
            self._upstream.turns.end(self)

    async def _answer(self, connection: UpstreamConnection, head: AnswerHead) -> None:
        status, method = head.status, self._scope["method"]
        bodiless = status in _BODILESS
        headers = client_headers(head.fields, bodiless=bodiless, origin=self._upstream.raw_origin)
        if self._upstream.own_cookie is not None:
            headers += self._upstream.own_cookie.outwards(head.fields)
        if not self._request_ended:
            headers.append((b"connection", b"close"))
        self._started = True
        # Where a change went can be followed through the logs by its trace. Reading is the most of it, and a line for
        # each would cost a third of what the door can carry.
        if method not in READING:
            _log.info("change_forwarded", upstream=self._upstream.name, method=method, status=status)
        await self._to_client({"type": "http.response.start", "status": status, "headers": headers})
        ended = bodiless or connection.ended
        piece = b""
        while not ended:
            self._wait_for(_Waiting.UPSTREAM, self._limits.answer_seconds)
            piece = await connection.piece()
            ended = connection.ended
            if piece and not ended:
                await self._to_client({"type": "http.response.body", "body": piece, "more_body": True})
        self._answered = True
        self._let_go()  # before its client has read the end: that is nothing to the upstream any more
        await self._to_client({"type": "http.response.body", "body": piece, "more_body": False})

    def _to_client(self, message: dict[str, object]) -> Awaitable[None]:
        self._wait_for(_Waiting.CLIENT_READS, self._limits.download_pause_seconds)
        return self._send(message)

    async def _body(self, fields: list[bytes]) -> bytes:
        """Return the request's body: nothing, all of it, or its beginning; add how it is delimited to `fields`."""
        length = 0
        for name, value in self._scope["headers"]:
            if name == b"content-length":
                if not value.isdigit():
                    raise Problem(400, "malformed_request", "Content-Length is not a number.")
                length = int(value)
            elif name == b"transfer-encoding":
                self._chunked = True
        if not length and not self._chunked:
            self._request_ended = True
            if self._scope["method"] not in READING:
                fields.append(b"Content-Length: 0")
            return b""
        if length > self._limits.body_bytes:
            raise self._too_large()
        begun, more = await self._beginning()
        if more:
            fields.append(b"Transfer-Encoding: chunked" if self._chunked else b"Content-Length: %d" % length)
            return self._framed(begun)
        self._request_ended = True
        # It need not go on in the shape in which it came: whatever it was, now its length is known.
        fields.append(b"Content-Length: %d" % len(begun))
        return begun

    async def _beginning(self) -> tuple[bytes, bool]:
        """Return the body and False, or as much of it as is held here and True; no turn is taken meanwhile."""
        piece, more = await self._piece()
        if not more:
            return piece, False
        begun = bytearray(piece)
        try:
            while more and len(begun) <= self._limits.upload_held_bytes:
                self._held.hold(len(begun), self._give_up)
                piece, more = await self._piece()
                begun += piece
        finally:
            self._held.let_go(self._give_up)
        return bytes(begun), more

    def _give_up(self) -> None:
        """Let the body's time be up: the memory that its beginning takes is needed."""
        self._due = self._upload_end = 0.0

    async def _upload(self, connection: UpstreamConnection) -> None:
        """Send the rest of the body as it comes; what goes wrong is told to whoever waits for the answer."""
        try:
            more = True
            while more:
                await connection.drained()
                piece, more = await self._piece()
                connection.write(self._framed(piece))
            if self._chunked:
                connection.write(b"0\r\n\r\n")
            self._request_ended = True
        except Problem as problem:
            self._refusal = problem
            connection.close()
        except _ClientLeft:
            self._end(_Ending.CLIENT_LEFT)
        except BrokenAnswer as broken:
            connection.close(broken)

    def _framed(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked and piece else piece

    async def _piece(self) -> tuple[bytes, bool]:
        """Return the next piece of the body and whether more follow."""
        if not self._started:
            self._wait_for(_Waiting.CLIENT_SENDS, self._limits.upload_pause_seconds)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        piece = message.get("body", b"")
        self._size += len(piece)
        if self._size > self._limits.body_bytes:
            raise self._too_large()
        if not self._started:
            self._wait_for(_Waiting.UPSTREAM, self._limits.answer_seconds)
        return piece, message.get("more_body", False)

    def look(self, now: float) -> None:
        """End the exchange if it is late, or if its client has left."""
        if self._has_turn and self._waiting is not _Waiting.UPSTREAM:
            self._upstream.turns.kept_waiting(self, EVERY)
        if self._due is None:
            end = self._upload_end if self._waiting is _Waiting.CLIENT_SENDS else self._exchange_end
            self._due = min(end, now + self._patience)
        if now >= self._due:
            self._end(_Ending.LATE)
        elif not self._answered:
            left = self._scope["extensions"].get(CLIENT_LEFT)
            if left is not None and left():
                self._end(_Ending.CLIENT_LEFT)

    def give_turn_up(self) -> None:
        """End the exchange, because another one waits for its turn and this one for its client."""
        self._end(_Ending.GIVES_TURN_UP)

    def _end(self, why: _Ending) -> None:
        if self._ending is None and self._task is not None:
            self._ending = why
            self._task.cancel()

    def _wait_for(self, whom: _Waiting, seconds: float) -> None:
        self._waiting = whom
        self._patience = seconds
        self._due = None  # it is counted from the next look on: so nobody asks for the time at each step

    def _late(self) -> Problem | TimeoutError:
        if self._waiting is _Waiting.TURN:
            return Unavailable("overloaded", "The service behind this path is busy.", retry_after=1)
        if self._waiting is _Waiting.CLIENT_SENDS or self._ending is _Ending.GIVES_TURN_UP:
            return Problem(408, "body_timeout", "The body took too long to arrive.", headers={"Connection": "close"})
        return TimeoutError("It did not answer in time.")

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "body_too_large",
            f"The body exceeds {self._limits.body_bytes} bytes.",
            headers={"Connection": "close"},
        )

    def _break_off(self, why: Problem | BrokenAnswer | OSError) -> None:
        if self._started:
            _log.warning("answer_broken_off", upstream=self._upstream.name, waiting=self._waiting.name.lower())
            return
        problem = self._refusal or (why if isinstance(why, Problem) else self._upstream.failed(why))
        try:
            raise problem
        finally:
            # Its traceback holds this frame, and with it the request: until the garbage collector comes, if it is held.
            del why, problem
            self._refusal = None
