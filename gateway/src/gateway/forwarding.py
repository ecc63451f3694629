"""Forwarding: one request to one upstream and its answer back, both as streams.

Pure ASGI and the aiohttp client, because that is what measured well. Of an answer nothing here holds more than one
piece; of a request's body, as much as a service takes: a client that sends slowly keeps nothing busy but its own
connection.
"""

import asyncio
from collections.abc import AsyncIterator
from enum import Enum, auto

import aiohttp
import structlog
from aiohttp.payload import AsyncIterablePayload
from starlette.types import Receive, Scope, Send
from yarl import URL

from gateway.header_rules import client_headers, upstream_headers
from gateway.held_bodies import HeldBodies
from gateway.upstreams import Upstream, UpstreamLimits, problem_of
from service_chassis.problems import PROBLEM_MEDIA_TYPE, Problem, problem_body
from service_chassis.tracing import outgoing_headers

_log = structlog.get_logger()

_BODILESS = frozenset({204, 205, 304})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SOON = 0.05
"""Seconds until a request is watched for its client's leaving: most are answered before, and need no second task."""


class Forwarder:
    """Sends requests on to upstreams, within limits, over one shared pool of connections."""

    def __init__(self, session: aiohttp.ClientSession, limits: UpstreamLimits) -> None:
        self._session = session
        self._limits = limits
        self._held = HeldBodies(limits.uploads_held_bytes)

    async def forward(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request from an upstream: path and query go on byte for byte, bodies piece by piece.

        Raises `Problem` for what has to be answered by the gateway itself; then nothing has been sent. An answer that
        breaks off after it has begun is never ended cleanly: this returns without the last piece, and the server cuts
        the connection.
        """
        exchange = _Exchange(self._session, self._limits, self._held, upstream, scope=scope, receive=receive, send=send)
        await exchange.run()


class _ClientLeft(Exception):  # noqa: N818 -- not an error: nobody is left to be told of one
    pass


class _Waiting(Enum):
    """Whom a passing moment is counted against."""

    CLIENT_SENDS = auto()
    UPSTREAM = auto()
    CLIENT_READS = auto()


class _Exchange:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        limits: UpstreamLimits,
        held: HeldBodies,
        upstream: Upstream,
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._session = session
        self._limits = limits
        self._held = held
        self._upstream = upstream
        self._scope = scope
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._end = now + limits.exchange_seconds
        self._upload_end = now + limits.upload_seconds
        self._waiting = _Waiting.UPSTREAM
        self._deadline = asyncio.timeout(limits.answer_seconds)
        self._task = asyncio.current_task()
        self._watcher: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._request_ended = False
        self._refusal: Problem | None = None
        self._gone = False
        self._started = False
        self._answered = False

    async def run(self) -> None:
        try:
            async with self._deadline:
                await self._run()
        except TimeoutError:
            self._break_off(self._late())
        except _ClientLeft:
            return
        except (aiohttp.ClientError, OSError) as error:
            self._break_off(self._refusal or problem_of(error, self._upstream.name))
        except asyncio.CancelledError:
            if not self._gone or self._task is None or self._task.uncancel():
                raise
        finally:
            if self._watcher is not None:
                self._watcher.cancel()

    async def _run(self) -> None:
        scope, upstream = self._scope, self._upstream
        target = scope["raw_path"].decode("ascii")
        if query := scope["query_string"]:
            target = f"{target}?{query.decode('ascii')}"
        client = scope["client"]
        headers = upstream_headers(
            scope["headers"], client=client and client[0], scheme=scope["scheme"], trace=outgoing_headers()
        )
        body = await self._body()
        await upstream.take_turn()
        try:
            self._wait_for(_Waiting.UPSTREAM, self._limits.answer_seconds)
            response = await self._session.request(
                scope["method"],
                URL(upstream.origin + target, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
            )
            try:
                await self._answer(response)
            finally:
                # What has not been read by now is not wanted: its connection closes. A finished one is pooled already.
                response.close()
        finally:
            upstream.end_turn()

    async def _answer(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status < 200:  # 101 to an upgrade nobody asked for
            raise problem_of(aiohttp.ClientError(), self._upstream.name)
        bodiless = status in _BODILESS
        headers = client_headers(response.raw_headers, bodiless=bodiless, origin=self._upstream.raw_origin)
        if not self._request_ended:
            headers.append((b"connection", b"close"))
        self._started = True
        # Where a change went can be followed through the logs by its trace. Reading is the most of it, and a line for
        # each would cost a third of what the door can carry.
        if self._scope["method"] not in _READING:
            _log.info("change_forwarded", upstream=self._upstream.name, method=self._scope["method"], status=status)
        await self._to_client({"type": "http.response.start", "status": status, "headers": headers})
        content = response.content
        ended = bodiless or self._scope["method"] == "HEAD" or content.at_eof()
        piece = b""
        while not ended:
            self._wait_for(_Waiting.UPSTREAM, self._limits.answer_seconds)
            piece = await content.readany()
            ended = content.at_eof()
            if piece and not ended:
                await self._to_client({"type": "http.response.body", "body": piece, "more_body": True})
        self._answered = True
        await self._to_client({"type": "http.response.body", "body": piece, "more_body": False})

    async def _to_client(self, message: dict[str, object]) -> None:
        self._wait_for(_Waiting.CLIENT_READS, self._limits.download_pause_seconds)
        await self._send(message)

    async def _body(self) -> bytes | AsyncIterablePayload | None:
        """Return the request's body: nothing, all of it, or its beginning and a stream of what follows."""
        length = chunked = None
        for name, value in self._scope["headers"]:
            if name == b"content-length":
                if not value.isdigit():
                    raise Problem(400, "malformed_request", "Content-Length is not a number.")
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = True
        if not length and not chunked:
            self._ended()
            return None
        if length is not None and length > self._limits.body_bytes:
            raise self._too_large()
        begun, more = await self._beginning()
        if more:
            return AsyncIterablePayload(self._pieces(begun))
        self._ended()
        # Only a body that is here as a whole could be sent again, should an idempotent request meet a stale connection.
        return begun

    async def _beginning(self) -> tuple[bytes, bool]:
        """Return the body and False, or as much of it as is held here and True; no turn is taken meanwhile."""
        piece, more = await self._piece(0)
        if not more:
            return piece, False
        begun = bytearray(piece)
        try:
            while more and len(begun) <= self._limits.upload_held_bytes:
                self._held.hold(len(begun), self._give_up)
                piece, more = await self._piece(len(begun))
                begun += piece
        finally:
            self._held.let_go(self._give_up)
        return bytes(begun), more

    def _give_up(self) -> None:
        """Let the body's time be up: the memory that its beginning takes is needed."""
        if not self._deadline.expired():
            self._deadline.reschedule(self._loop.time())

    async def _pieces(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield the body; runs in aiohttp's writing task, whose errors reach `run` as ClientError only."""
        size = len(first)
        piece, more = first, True
        while True:
            if piece:
                yield piece
            if not more:
                break
            try:
                piece, more = await self._piece(size)
            except Problem as problem:
                self._refusal = problem
                raise
            except _ClientLeft:
                self._leave()
                raise
            size += len(piece)
        self._ended()

    async def _piece(self, size: int) -> tuple[bytes, bool]:
        """Return the next piece of the body and whether more follow, after `size` bytes of it."""
        if not self._started:
            self._wait_for(_Waiting.CLIENT_SENDS, self._limits.upload_pause_seconds)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        piece = message.get("body", b"")
        if size + len(piece) > self._limits.body_bytes:
            raise self._too_large()
        if not self._started:
            self._wait_for(_Waiting.UPSTREAM, self._limits.answer_seconds)
        return piece, message.get("more_body", False)

    def _ended(self) -> None:
        self._request_ended = True
        self._watcher = self._loop.call_later(_SOON, self._watch)

    def _watch(self) -> None:
        self._watcher = self._loop.create_task(self._notice_leaving())

    async def _notice_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        """End the exchange, because there is nobody left to answer."""
        if self._task is not None and not self._gone and not self._answered:
            self._gone = True
            self._task.cancel()

    def _wait_for(self, whom: _Waiting, seconds: float) -> None:
        self._waiting = whom
        end = min(self._loop.time() + seconds, self._end)
        self._deadline.reschedule(min(end, self._upload_end) if whom is _Waiting.CLIENT_SENDS else end)

    def _late(self) -> Problem:
        if self._waiting is _Waiting.CLIENT_SENDS:
            return Problem(408, "body_timeout", "The body took too long to arrive.", headers={"Connection": "close"})
        return problem_of(TimeoutError(), self._upstream.name)

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "body_too_large",
            f"The body exceeds {self._limits.body_bytes} bytes.",
            headers={"Connection": "close"},
        )

    def _break_off(self, problem: Problem) -> None:
        if not self._started:
            raise problem
        _log.warning("answer_broken_off", upstream=self._upstream.name, waiting=self._waiting.name.lower())


async def send_problem(problem: Problem, send: Send) -> None:
    """Answer with a problem document, in ASGI alone."""
    body = problem_body(problem)
    headers = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
