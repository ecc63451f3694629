"""Writing to a client's connection, and closing it without destroying the answer that was just written to it."""

import asyncio
from collections.abc import Callable

MOST_JOINED = 64 * 1024
"""Bytes of an answer that are copied to be sent in one piece. What is larger is sent as it is: a page that all
connections share must not become one for each, for as long as its client takes to read it."""


class ReadingWatch:
    """Cuts a connection whose client takes nothing of what was written for it; one that reads slowly is let be."""

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._unread = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch from now on: within each such time something has to be taken."""
        self.stop()
        self._unread = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() < self._unread:
            self.start()
        else:
            self._transport.abort()


class GatheredWrites:
    """Sends what is written within one turn of the event loop in one piece: an answer's head and body, above all."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send this soon, behind what was written before."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)

    def flush(self) -> None:
        """Send it now."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            if len(pieces) > 1 and sum(map(len, pieces)) <= MOST_JOINED:
                pieces = [b"".join(pieces)]
            for piece in pieces:
                self._transport.write(piece)

    def drop(self) -> None:
        """Send it not at all."""
        self._pieces = []


class LingeringTransport(asyncio.Transport):
    """A transport whose close lets the other side finish, but not for ever. [RFC 9112 section 9.6]

    Closing a socket that has unread bytes makes the kernel send a reset, and the reset can overtake the answer: a
    client that is still sending a body which was refused would see a broken connection and no reason. So where
    `mid_body()` says that more is coming, the sending side ends first, and the socket closes when the client does or
    after `linger` seconds. A client that takes nothing of what was written for `unread` seconds loses the rest of it.
    """

    def __init__(self, inner: asyncio.Transport, *, mid_body: Callable[[], bool], linger: float, unread: float) -> None:
        super().__init__()
        self._inner = inner
        self._mid_body = mid_body
        self._linger = linger
        self._reading = ReadingWatch(inner, unread)
        self._gathered = GatheredWrites(inner)
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        # The hot path has the real methods, without a frame of ours in between.
        self.write = self._gathered.write  # type: ignore[method-assign,assignment]
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = inner.pause_reading  # type: ignore[method-assign]
        self.resume_reading = inner.resume_reading  # type: ignore[method-assign]

    def is_closing(self) -> bool:
        """Nothing that is written from now on arrives."""
        return self._closing or self._inner.is_closing()

    def close(self) -> None:
        """Close after what was written has gone out."""
        if self._mid_body():
            self.close_lingering()
        elif not self._closing:
            self._closing = True
            self._close_now()

    def close_lingering(self) -> None:
        """End the sending side at once, and the rest when the client has ended its own or its time is up."""
        if self._closing:
            return
        self._closing = True
        self._gathered.flush()
        self._inner.resume_reading()
        if self._inner.can_write_eof():
            self._inner.write_eof()
        self._timer = asyncio.get_running_loop().call_later(self._linger, self._close_now)

    def abort(self) -> None:
        """Close at once, losing what was written and not yet sent."""
        self._closing = True
        self._gathered.drop()
        self._inner.abort()

    def watch_reading(self, *, much_is_unread: bool) -> None:
        """Mind whether the client reads, as long as much of what was written for it is unread."""
        if much_is_unread:
            self._reading.start()
        elif not self.is_closing():
            self._reading.stop()

    def forget(self) -> None:
        """Stop the clocks: the connection is gone."""
        self._reading.stop()
        self._gathered.drop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_now(self) -> None:
        self._gathered.flush()
        unsent = self._inner.get_write_buffer_size()
        self._inner.close()
        if unsent:
            self._reading.start()
