"""Clients that do not read what the gateway itself answers, and those that only read slowly."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from gateway.testing import Client, Door, Street, get

BUNDLE = "/docs/swagger-ui-bundle.js"


@contextlib.asynccontextmanager
async def connected(door: Door) -> AsyncIterator[Client]:
    """Open a connection on which the kernel holds little, so that what is unread is in the gateway."""
    door.server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    small.setblocking(False)  # noqa: FBT003 -- as sockets have it
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", door.port))
    reader, writer = await asyncio.open_connection(sock=small, limit=8192)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_client_that_never_reads_is_cut(street: Street) -> None:
    """Also where no upstream is involved, and also while it asks for more."""
    door = await street.door(download_pause_seconds=0.3)
    async with connected(door) as client, asyncio.timeout(10):
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(get(BUNDLE) * 3)
        while not door.server.server_state.tasks:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
        while door.server.server_state.connections:  # noqa: ASYNC110 -- same reason
            await asyncio.sleep(0.01)
    assert not door.server.server_state.tasks


async def test_a_client_that_reads_slowly_is_let_be(street: Street) -> None:
    """It may take as long as it likes for a large answer, if only it takes something of it every now and then."""
    door = await street.door(download_pause_seconds=0.5)
    began = asyncio.get_running_loop().time()
    async with connected(door) as client:
        await client.send(get(BUNDLE, "Connection: close\r\n"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while left:
            piece = await client.reader.read(65_536)
            assert piece, "cut in the middle"
            left -= len(piece)
            await asyncio.sleep(0.015)
    assert asyncio.get_running_loop().time() - began > 1
