"""Connections to services: which of them are used again, and whose answer is whose."""

import asyncio

import pytest

from gateway.testing import OK, Street, get

READ = b"\r\n\r\n"


@pytest.mark.parametrize(
    ("answered", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
    ids=["close", "HTTP/1.0"],
)
async def test_a_service_that_will_close_is_believed(street: Street, answered: bytes, body: bytes) -> None:
    """The next request, which may be a POST, does not go where nobody will read it."""
    upstream, url = await street.upstream(answered)
    door = await street.door(orders=url)
    for count in (1, 2):
        response = await door.ask(get("/api/orders", method="POST"))
        assert (response.status, response.body, response.values("connection")) == (200, body, [])
        assert upstream.connections == count


async def test_an_answer_that_ends_with_its_connection_arrives_whole(street: Street) -> None:
    """It has no length; its client gets it in chunks, with an end."""
    _, url = await street.upstream(b"HTTP/1.1 200 OK\r\n\r\nhello", keep=False)
    door = await street.door(orders=url)
    response = await door.get("/api/orders")
    assert (response.status, response.body) == (200, b"hello")
    assert response.values("transfer-encoding") == ["chunked"]


async def test_extensions_and_trailers_of_an_answer_are_dropped(street: Street) -> None:
    """No trailer can pose as a header, and both connections go on."""
    upstream, url = await street.upstream(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n2;a=b\r\nok\r\n0\r\nX-A: b\r\n\r\n"
    )
    door = await street.door(orders=url)
    async with door.client() as client:
        for _ in range(2):
            await client.send(get("/api/orders"))
            head = await client.reader.readuntil(READ)
            assert b"x-a" not in head.lower()
            assert await client.reader.readuntil(b"0\r\n\r\n") == b"2\r\nok\r\n0\r\n\r\n"
    assert upstream.connections == 1


async def test_a_service_that_speaks_unasked_is_not_listened_to(street: Street) -> None:
    """What comes while a connection stands idle is no answer to the next request, which is another user's."""
    asked = asyncio.Event()
    spoken = asyncio.Event()

    async def speaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(READ)
        writer.write(OK)
        if not asked.is_set():
            asked.set()
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
            await reader.read()
            spoken.set()

    upstream, url = await street.upstream(speaking)
    door = await street.door(orders=url)
    assert (await door.get("/api/orders")).body == b"ok"
    await asyncio.wait_for(spoken.wait(), 5)  # it was hung up on, with nobody asking
    assert (await door.get("/api/orders")).body == b"ok"
    assert upstream.connections == 2


async def test_half_an_upload_leaves_no_connection_behind(street: Street) -> None:
    """An answer came before the body had ended: what the service makes of the rest is no other user's trouble."""
    upstream, url = await street.upstream()
    upstream.answer = half = OK

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(READ)
        writer.write(half)
        if b"POST" in head:
            await reader.read()

    upstream.answer = early
    door = await street.door(orders=url, upload_held_bytes=1)
    async with door.client() as client:
        await client.send(b"POST /api/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello")
        assert (await client.response()).values("connection") == ["close"]
    assert (await door.get("/api/orders")).status == 200
    assert upstream.connections == 2


async def test_a_body_that_a_service_does_not_take_is_not_kept(street: Street) -> None:
    """It is read from its client only as fast as the service reads; and the service has its deadline."""
    reading = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(READ)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await reading.wait()
        writer.transport.abort()

    _, url = await street.upstream(deaf)
    size = 64 * 1024 * 1024
    door = await street.door(orders=url, body_bytes=size, upstream_answer_seconds=0.5)
    async with door.client() as client:
        await client.send(b"POST /api/orders HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)

        async def push() -> None:
            for _ in range(size // 65536):
                await client.send(b"a" * 65536)

        pushing = asyncio.create_task(push())
        assert (await asyncio.wait_for(client.response(), 5)).status == 504
        assert not pushing.done()
        pushing.cancel()
        reading.set()
