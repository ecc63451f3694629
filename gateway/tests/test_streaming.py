"""Bodies go through in pieces, both ways, and the gateway holds little of them."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.testing import Client, Street, closed_port, get

SIZE = 200 * 1024 * 1024


async def test_the_first_piece_arrives_before_the_last_is_sent(street: Street) -> None:
    """An answer that comes in pieces is passed on as it comes."""
    go_on = asyncio.Event()

    async def pausing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")

    _, url = await street.upstream(pausing)
    door = await street.door(orders=url)
    async with door.client() as client:
        await client.send(get("/api/orders"))
        await client.reader.readuntil(b"\r\n\r\n")
        assert await asyncio.wait_for(client.reader.readuntil(b"first\r\n"), 2) == b"5\r\nfirst\r\n"
        go_on.set()
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"


async def test_a_body_is_passed_on_before_it_has_ended(street: Street) -> None:
    """Beyond what is held, that is; and an answer that comes before the body has ended reaches the client at once."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.set_result(await reader.readuntil(b"hello\r\n"))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    _, url = await street.upstream(early)
    door = await street.door(orders=url, upload_held_bytes=1)
    async with door.client() as client:
        await client.send(b"POST /api/orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert await asyncio.wait_for(got, 2) == b"5\r\nhello\r\n"
        response = await asyncio.wait_for(client.response(), 2)
        assert (response.status, response.body) == (401, b"no")
        assert response.values("connection") == ["close"]


@contextlib.asynccontextmanager
async def process(orders: str) -> AsyncIterator[tuple[int, int]]:
    """Run the gateway as it is run, and give its public port and process id."""
    port, internal, nowhere = closed_port(), closed_port(), f"http://127.0.0.1:{closed_port()}"
    environment = {
        "PATH": os.defpath,
        "SIGNET_PORT": str(port),
        "SIGNET_OPERATIONS_PORT": str(internal),
        "SIGNET_PUBLIC_URL": f"http://localhost:{port}",
        "SIGNET_AUTH_URL": nowhere,
        "SIGNET_PROFILE_URL": nowhere,
        "SIGNET_ORDERS_URL": orders,
    }
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", env=environment)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        yield port, running.pid
    finally:
        running.send_signal(signal.SIGTERM)
        await running.wait()


def peak_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
async def test_the_size_of_a_body_is_not_the_size_of_the_gateway(street: Street) -> None:
    """200 MB to a client that reads slowly, and 200 MB pushed against the cap, cost the process less than 16 MB."""

    async def large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        piece = b"a" * 1024 * 1024
        with contextlib.suppress(OSError):
            for _ in range(SIZE // len(piece)):
                writer.write(piece)
                await writer.drain()
        await writer.drain()

    _, url = await street.upstream(large)
    async with process(url) as (port, pid):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=256 * 1024)
        client = Client(reader, writer)
        await client.send(get("/api/orders"))
        await reader.readuntil(b"\r\n\r\n")
        before = peak_bytes(pid)
        left = SIZE
        while left:
            piece = await reader.read(1024 * 1024)
            left -= len(piece)
            if left % 8 == 0:
                await asyncio.sleep(0.002)  # a client that is slower than the upstream
        assert peak_bytes(pid) - before < 16 * 1024 * 1024
        writer.close()

        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = Client(reader, writer)
        with contextlib.suppress(OSError):
            await client.send(b"POST /api/orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(SIZE // 65536):
                await client.send(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        assert peak_bytes(pid) - before < 16 * 1024 * 1024
        writer.close()
