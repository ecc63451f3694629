"""Clients that do not read what the gateway itself answers, and those that only read slowly."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from gateway.testing import OK, Client, Door, Street, get

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
    """It may take as long as it likes for a large answer, if only it takes something of it every now and then.

    Here it takes something five times as often as it has to, for longer than it may take nothing.
    """
    pause = 1.5
    door = await street.door(download_pause_seconds=pause)
    loop = asyncio.get_running_loop()
    async with connected(door) as client:
        await client.send(get(BUNDLE, "Connection: close\r\n"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        slow_until = loop.time() + 1.5 * pause
        while left:
            piece = await client.reader.read(65_536)
            assert piece, "cut in the middle"
            left -= len(piece)
            if loop.time() < slow_until:
                await asyncio.sleep(pause / 5)
    assert loop.time() > slow_until


async def test_a_client_that_does_not_read_keeps_a_turn_only_while_nobody_wants_it(street: Street) -> None:
    """A large answer of a service is cut where it stands if another call waits, long before its time is up."""
    asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/large" not in head:
            writer.write(OK)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        asked.set()
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"a" * 65536)
                await writer.drain()

    _, url = await street.upstream(answer)
    door = await street.door(orders=url, upstream_calls=1, upstream_queue_seconds=0.2, download_pause_seconds=60)
    async with connected(door) as client, asyncio.timeout(20):
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(get("/api/orders/large"))
        await asked.wait()
        while (await door.get("/api/orders")).status != 200:
            pass  # until it has been waited for long enough
