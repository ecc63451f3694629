"""A wire to a server that can be cut, go silent, or break at a given moment: real sockets, real faults."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Wire:
    """Carries bytes from a port of its own to a server's. `port` stays the same when it is cut and mended."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0
        self.accepted = 0
        self.cut_at: bytes | None = None
        """What a client must not get an answer to: it reaches the server, and then the wire is cut."""

    async def mend(self) -> None:
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse connections, and break those that there are."""
        assert self._listener is not None
        self._listener.close()
        for connection in list(self._connections):
            connection.transport.abort()

    def fall_silent(self) -> None:
        """Take everything, and carry nothing."""
        self._open.clear()

    def speak(self) -> None:
        self._open.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            self.accepted += 1
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            ends = {writer, server_writer}
            self._connections |= ends
            ways = [
                asyncio.create_task(self._pass_on(reader, server_writer)),
                asyncio.create_task(self._pass_on(server_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                self._connections -= ends
                for end in ends:
                    end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._open.wait()
            cut = self.cut_at is not None and self.cut_at in data
            if cut:
                self._open.clear()  # the answer stays where it is
            writer.write(data)
            await writer.drain()
            if cut:
                await asyncio.sleep(0.1)  # until the server has done it
                self.cut_at = None
                asyncio.get_running_loop().call_later(0.1, self._open.set)
                return


@contextlib.asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """Lay a wire to a port of this machine."""
    wire = Wire(port)
    await wire.mend()
    yield wire
    wire.speak()
    await wire.cut()
