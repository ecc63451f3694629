"""An answer's head and body in one piece, where uvicorn writes them one after the other."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_JOINED = 64 * 1024
"""Bytes of an answer that are copied to be sent in one piece. What is larger is sent as it is: a page that all
connections share must not become one for each, for as long as its client takes to read it."""


class GatheringTransport(asyncio.Transport):
    """A transport that sends what is written within one turn of the event loop in one piece."""

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__()
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._size = 0
        # The hot path has the real methods, without a frame of ours in between.
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = inner.pause_reading  # type: ignore[method-assign]
        self.resume_reading = inner.resume_reading  # type: ignore[method-assign]

    def write(self, data: bytes) -> None:  # type: ignore[override]  # nobody here writes anything else
        """Send this soon, behind what was written before."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MOST_JOINED:
            self.flush()

    def flush(self) -> None:
        """Send it now."""
        if self._pieces:
            pieces, size = self._pieces, self._size
            self._drop()
            if size > MOST_JOINED:
                # All at once: a protocol that is told to pause asks how much is unsent, and has to hear of all of it.
                self._inner.writelines(pieces)
            else:
                self._inner.write(b"".join(pieces))

    def lost(self) -> None:
        """Send it not at all: the connection is gone. Whoever writes from now on hears that from the real transport."""
        self._drop()
        self.write = self._inner.write  # type: ignore[method-assign]

    def _drop(self) -> None:
        self._pieces = []
        self._size = 0

    def is_closing(self) -> bool:
        """Nothing that is written from now on arrives."""
        return self._inner.is_closing()

    def close(self) -> None:
        """Close after what was written has gone out."""
        self.flush()
        self._inner.close()

    def abort(self) -> None:
        """Close at once, losing what was written and not yet sent."""
        self._drop()
        self._inner.abort()


class GatheringProtocol(HttpToolsProtocol):
    """uvicorn's protocol on such a transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Begin."""
        self._gathering = GatheringTransport(transport)
        super().connection_made(self._gathering)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what was written for nobody any more."""
        self._gathering.lost()
        super().connection_lost(exc)
