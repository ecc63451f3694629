"""A wire that can be watched: it counts what is asked over it, can be made longer, and can be cut."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Self

HOST = "127.0.0.1"


class Relay:
    """Carries connections from a port of its own to `target`, which is asked for the port at each connection.

    `delay` is added to each question, in seconds. It runs in a thread of its own while it is open.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self.port = 0
        self.delay = 0.0
        self.questions = 0
        """Pieces of data that went to the target: one for each question of a client that waits for the answer."""
        self._target = target
        self._cut = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        """Open the port."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up on everyone."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Hang up on everyone, and on whoever comes, until it is mended."""
        self._cut = True
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)

    def mend(self) -> None:
        """Carry again."""
        self._cut = False

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._carry, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._hang_up()
        others = asyncio.all_tasks() - {task for task in (asyncio.current_task(),) if task}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            onward_reader, onward_writer = await asyncio.open_connection(HOST, self._target())
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, onward_writer}
        with contextlib.suppress(OSError):
            there = asyncio.create_task(self._pump(reader, onward_writer, counted=True))
            back = asyncio.create_task(self._pump(onward_reader, writer, counted=False))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        self._writers -= {writer, onward_writer}
        for each in (writer, onward_writer):
            each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        while some := await reader.read(65536):
            if counted:
                self.questions += 1
                if self.delay:
                    await asyncio.sleep(self.delay)
            writer.write(some)
            await writer.drain()
