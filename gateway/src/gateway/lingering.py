"""Writing to a client's connection, and closing it without destroying the answer that was just written to it."""

import asyncio
from collections.abc import Callable

from service_chassis.gathered_writes import GatheringTransport


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


class LingeringTransport(GatheringTransport):
    """A transport whose close lets the other side finish, but not for ever. [RFC 9112 section 9.6]

    Closing a socket that has unread bytes makes the kernel send a reset, and the reset can overtake the answer: a
    client that is still sending a body which was refused would see a broken connection and no reason. So where
    `mid_body()` says that more is coming, the sending side ends first, and the socket closes when the client does or
    after `linger` seconds. A client that takes nothing of what was written for `unread` seconds loses the rest of it.
    """

    def __init__(self, inner: asyncio.Transport, *, mid_body: Callable[[], bool], linger: float, unread: float) -> None:
        super().__init__(inner)
        self._mid_body = mid_body
        self._linger = linger
        self._reading = ReadingWatch(inner, unread)
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def is_closing(self) -> bool:
        """Nothing that is written from now on arrives."""
        return self._closing or self._inner.is_closing()  # asked several times for each request

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
        self.flush()
        self._inner.resume_reading()
        if self._inner.can_write_eof():
            self._inner.write_eof()
        self._timer = asyncio.get_running_loop().call_later(self._linger, self._close_now)

    def abort(self) -> None:
        """Close at once, losing what was written and not yet sent."""
        self._closing = True
        super().abort()

    def watch_reading(self, *, much_is_unread: bool) -> None:
        """Mind whether the client reads, as long as much of what was written for it is unread."""
        if much_is_unread:
            self._reading.start()
        elif not self.is_closing():
            self._reading.stop()

    def lost(self) -> None:
        """Stop the clocks too, and let go of whoever had it asked: they hold each other."""
        super().lost()
        self._mid_body = _never
        self._reading.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_now(self) -> None:
        self.flush()
        unsent = self._inner.get_write_buffer_size()
        self._inner.close()
        if unsent:
            self._reading.start()


def _never() -> bool:
    return False
