"""One connection to a service: a request goes out, its answer comes in, and then it may be used again.

There is one answer at a time, and its reader sets the pace: what it has not taken yet is never much.
"""

import asyncio
from typing import cast

from gateway.response_framing import AnswerHead, BrokenAnswer, ResponseFraming

MOST_UNREAD = 64 * 1024
"""Bytes of an answer that wait for their reader before the service is kept from sending more."""


class NoAnswer(BrokenAnswer):
    """The connection ended before a single byte of an answer came."""


class UpstreamConnection(asyncio.Protocol):
    """A connection, from its opening to its end. `ask` begins an exchange; `reusable` says if another may follow.

    Waiting may be cancelled at any moment. A connection whose exchange was given up is good for nothing but `close`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._framing: ResponseFraming | None = None
        self._touched = False
        self._pieces: list[bytes] = []
        self._unread = 0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._writing_paused = self._reading_paused = False
        self._lost: BrokenAnswer | None = None
        self.idle_since = 0.0

    def ask(self, request: bytes, *, to_head: bool) -> None:
        """Send a request, or its head and what there is of its body. `to_head`: its method is HEAD."""
        self._framing = ResponseFraming(to_head=to_head)
        self._touched = False
        if self._lost is None and self._transport is not None:
            self._transport.write(request)

    def write(self, data: bytes) -> None:
        """Send more of the request's body."""
        if self._lost is None and self._transport is not None:
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the service has taken most of what was written. Raises `BrokenAnswer` if it does no more."""
        if self._lost is not None:
            raise BrokenAnswer from self._lost
        if self._writing_paused:
            self._writer = self._loop.create_future()
            await self._writer

    async def head(self) -> AnswerHead:
        """Wait for the answer's head. Raises `BrokenAnswer`, or `NoAnswer` if the connection ends without any."""
        framing = cast("ResponseFraming", self._framing)
        while framing.head is None:
            await self._more()
        return framing.head

    async def piece(self) -> bytes:
        """Wait for what has come of the body, maybe nothing if that was all. Raises `BrokenAnswer`."""
        framing = cast("ResponseFraming", self._framing)
        while not self._pieces and not framing.ended:
            await self._more()
        pieces, self._pieces = self._pieces, []
        self._unread = 0
        if self._reading_paused:
            self._reading_paused = False
            if self._transport is not None and self._lost is None:
                self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def ended(self) -> bool:
        """The whole answer has come and has been taken."""
        return self._framing is not None and self._framing.ended and not self._pieces

    @property
    def is_open(self) -> bool:
        """A request that is sent now may arrive."""
        return self._lost is None

    @property
    def reusable(self) -> bool:
        """The exchange is over and has left nothing behind."""
        framing = self._framing
        return self.ended and self._lost is None and framing is not None and framing.keeps and not framing.surplus

    def rest(self) -> None:
        """Expect nothing until the next `ask`: whatever comes meanwhile makes an end of the connection."""
        self._framing = None
        self.idle_since = self._loop.time()

    def close(self, reason: BrokenAnswer | None = None) -> None:
        """End the connection at once; whoever waits on it is told `reason`."""
        self._lose(reason or BrokenAnswer("The exchange was given up."))
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take some of the answer."""
        framing = self._framing
        if framing is None or self._lost is not None:
            self.close(BrokenAnswer("The service spoke without being asked."))
            return
        self._touched = True
        try:
            body = framing.take(data)
        except BrokenAnswer as broken:
            self.close(broken)
            return
        if body:
            self._pieces.append(body)
            self._unread += len(body)
            if self._unread > MOST_UNREAD and not self._reading_paused and self._transport is not None:
                self._reading_paused = True
                self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take it that nothing more comes; the transport then closes by itself."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Be over."""
        self._end(exc)

    def pause_writing(self) -> None:
        """Note that the service takes less than is written."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._writing_paused = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    async def _more(self) -> None:
        if self._lost is not None:
            # Another of its kind: its own traceback would hold this connection, which holds it.
            raise type(self._lost)(*self._lost.args)
        self._reader = self._loop.create_future()
        await self._reader

    def _end(self, cause: Exception | None) -> None:
        framing = self._framing
        if self._lost is not None:
            return
        reason = BrokenAnswer("The connection has ended.")
        if framing is not None and not framing.ended:
            if not self._touched:
                reason = NoAnswer("The connection ended without an answer.")
            elif cause is not None:
                reason = BrokenAnswer("The connection broke.")
            else:
                try:
                    framing.take_end()
                except BrokenAnswer as broken:
                    reason = broken
        self._lose(reason)

    def _lose(self, reason: BrokenAnswer) -> None:
        if self._lost is None:
            self._lost = reason.with_traceback(None)
        self._wake()
        if self._writer is not None and not self._writer.done():
            self._writer.set_exception(BrokenAnswer("The connection ended while the request was being sent."))

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
