"""Who waits for whom, how long, and what the other side gets to know of it."""

import asyncio
import json
import socket
import time
from typing import Any

import pytest

from gateway.testing import OK, Street, get

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.read()


def post(*fields: str) -> bytes:
    return "\r\n".join(["POST /api/orders HTTP/1.1", "Host: door.test", *fields, "", ""]).encode()


async def test_a_hanging_upstream_is_504_within_3_seconds(street: Street) -> None:
    """With the deadlines as they ship."""
    _, url = await street.upstream(silent)
    door = await street.door(orders=url)
    started = time.monotonic()
    response = await door.get("/api/orders")
    assert time.monotonic() - started < 3
    assert response.status == 504
    assert json.loads(response.body)["reason"] == "upstream_timeout"


async def test_an_upstream_that_never_accepts_is_504_within_3_seconds(street: Street) -> None:
    """A listener whose queue is full answers no connection attempt: 504 as well."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        taken = [socket.socket() for _ in range(3)]
        for client in taken:
            client.settimeout(0)
            client.connect_ex(listening.getsockname())
        door = await street.door(orders=f"http://127.0.0.1:{listening.getsockname()[1]}")
        started = time.monotonic()
        response = await door.get("/api/orders")
        assert time.monotonic() - started < 2  # the connect deadline of 1 s, not only the answer's
        assert response.status == 504
        for client in taken:
            client.close()


async def test_an_upstream_that_is_gone_is_502_and_the_others_are_not(street: Street) -> None:
    """One service down is one service down."""
    _, url = await street.upstream()
    door = await street.door(orders=url)
    response = await door.get("/api/profile")
    assert response.status == 502
    assert json.loads(response.body)["reason"] == "upstream_unreachable"
    assert (await door.get("/api/orders")).status == 200


async def test_an_upstream_that_drips_its_head_is_504(street: Street) -> None:
    """The deadline is for the whole head, not for each read."""

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in OK * 100:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    _, url = await street.upstream(dripping)
    door = await street.door(orders=url, upstream_answer_seconds=0.3)
    assert (await asyncio.wait_for(door.get("/api/orders"), 2)).status == 504


BROKEN = {
    "length, then gone": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", b""),
    "chunks, then gone": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b""),
    "within a chunk, then gone": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello", b""),
    "chunks that make no sense": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"zz\r\n"),
    "length, then silence": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", None),
    "chunks, then silence": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", None),
}


@pytest.mark.parametrize(("begun", "then"), BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_breaks_off_reaches_the_client_as_broken(
    street: Street, begun: bytes, then: bytes | None
) -> None:
    """A client can always tell a part from the whole: the connection ends, and the body does not."""

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await asyncio.sleep(0.05)  # what begins well and what does not go on like that are two segments
        if then != b"":
            writer.write(then or b"")
            await reader.read()

    _, url = await street.upstream(breaking)
    door = await street.door(orders=url, upstream_answer_seconds=1)
    async with door.client() as client:
        await client.send(get("/api/orders"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        body = await asyncio.wait_for(client.reader.read(), 5)
    assert b"hello" in body
    assert len(body) < 100
    assert not body.endswith(b"0\r\n\r\n")


async def test_a_slow_uploader_is_not_the_upstreams_fault(street: Street) -> None:
    """While its client takes its time over the body, the upstream's clock stands still."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url, upstream_answer_seconds=0.2)
    async with door.client() as client:
        await client.send(post("Content-Length: 8"))
        for _ in range(8):
            await asyncio.sleep(0.1)
            await client.send(b"a")
        assert (await client.response()).status == 200
    assert upstream.requests[0].body == b"a" * 8


@pytest.mark.parametrize("limit", ["upload_pause_seconds", "upload_seconds"])
@pytest.mark.parametrize("framed", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_slow_uploader_has_bounds_of_its_own(street: Street, limit: str, framed: str) -> None:
    """Neither a pause nor a body without end may hold a place for ever: 408."""
    _, url = await street.upstream()
    changes: dict[str, Any] = {limit: 0.3}
    door = await street.door(orders=url, **changes)
    async with door.client() as client:
        await client.send(post(framed))

        async def drip() -> None:
            while limit == "upload_seconds":
                await client.send(b"1\r\na\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        response = await asyncio.wait_for(client.response(), 2)
        dripping.cancel()
    assert response.status == 408
    assert json.loads(response.body)["reason"] == "body_timeout"


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"], ids=["before", "during"]
)
@pytest.mark.parametrize("next_one", [b"", b"G", b"\r\n"])
async def test_a_client_that_leaves_ends_its_request_upstream(street: Street, begun: bytes, next_one: bytes) -> None:
    """Before the answer or in the middle of it, the upstream is told, by the end of its connection.

    Also of a client that has begun its next request: what is held back keeps nobody from hearing that it leaves.
    """
    asked = asyncio.Event()
    ended = asyncio.Event()

    async def watching(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        asked.set()
        await reader.read()
        ended.set()

    _, url = await street.upstream(watching)
    door = await street.door(orders=url, upstream_answer_seconds=30)
    async with door.client() as client:
        await client.send(get("/api/orders") + next_one)
        await asked.wait()
    await asyncio.wait_for(ended.wait(), 2)


async def test_a_client_that_leaves_in_the_middle_of_its_body_ends_its_request_upstream(street: Street) -> None:
    """Once it has gone on from here, that is: the upstream never takes half a body for a whole one."""
    ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def watching(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        ended.set_result(await reader.read())

    _, url = await street.upstream(watching)
    door = await street.door(orders=url, upload_held_bytes=1)
    async with door.client() as client:
        await client.send(post("Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        await asyncio.sleep(0.1)
    assert await asyncio.wait_for(ended, 2) == b"5\r\nhello\r\n"


async def test_a_busy_upstream_is_503_after_a_bounded_wait(street: Street) -> None:
    """Calls beyond its share wait a little for their turn, and others' upstreams are none the poorer."""
    _, orders = await street.upstream(silent)
    _, profile = await street.upstream()
    door = await street.door(
        orders=orders, profile=profile, upstream_calls=1, upstream_queue_seconds=0.1, upstream_answer_seconds=1
    )
    hanging = asyncio.create_task(door.get("/api/orders"))
    await asyncio.sleep(0.05)
    response = await door.get("/api/orders")
    assert response.status == 503
    assert json.loads(response.body)["reason"] == "overloaded"
    assert response.values("retry-after") == ["1"]
    assert (await door.get("/api/profile")).status == 200
    assert (await hanging).status == 504
    assert (await door.get("/api/orders")).status == 504


async def test_a_client_that_reads_nothing_is_cut(street: Street) -> None:
    """An answer that nobody takes does not hold its place for ever."""
    ended = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"a" * 65536)
                await writer.drain()
        except OSError:
            ended.set()

    _, url = await street.upstream(endless)
    door = await street.door(orders=url, download_pause_seconds=0.3)
    async with door.client() as client:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(get("/api/orders"))
        await asyncio.wait_for(ended.wait(), 3)


async def closing_after_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer once, promise to keep the connection, and close it at the very moment the next request arrives."""
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(OK.removesuffix(b"ok") if head.startswith(b"HEAD") else OK)
    await writer.drain()
    await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_an_idempotent_request_on_a_stale_connection_is_sent_again(street: Street, method: str) -> None:
    """The client never learns that a pooled connection had died."""
    upstream, url = await street.upstream(closing_after_one)
    door = await street.door(orders=url)
    for _ in range(4):
        request = get("/api/orders", method=method)
        assert (await door.ask(request, to_head=method == "HEAD")).status == 200
    assert upstream.connections == 4


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("fields", ["", "Content-Length: 2\r\n\r\n{}"], ids=["no body", "body"])
async def test_a_post_on_a_stale_connection_is_never_sent_twice(street: Street, method: str, fields: str) -> None:
    """The upstream may have acted on it: 502 tells the client that nobody knows."""
    upstream, url = await street.upstream(closing_after_one)
    door = await street.door(orders=url)
    request = f"{method} /api/orders HTTP/1.1\r\nHost: door.test\r\n{fields or chr(13) + chr(10)}".encode()
    assert (await door.get("/api/orders")).status == 200
    assert (await door.ask(request)).status == 502
    assert upstream.connections == 1


async def test_an_idempotent_request_is_not_sent_again_once_its_streamed_body_has_begun(street: Street) -> None:
    """What has gone out piece by piece cannot go out again, and never goes out in part."""
    upstream, url = await street.upstream(closing_after_one)
    door = await street.door(orders=url, upload_held_bytes=1)
    assert (await door.get("/api/orders")).status == 200
    async with door.client() as client:
        await client.send(b"PUT /api/orders/1 HTTP/1.1\r\nHost: door.test\r\nContent-Length: 10\r\n\r\nhello")
        await asyncio.sleep(0.1)
        await client.send(b"world")
        assert (await client.response()).status == 502
    assert upstream.connections == 1


async def test_a_post_never_meets_a_connection_that_its_upstream_is_about_to_close(street: Street) -> None:
    """The pool lets go of idle connections before the upstream does, here after 0.2 s against 0.4 s."""
    closed = 0

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal closed
        while True:
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 0.4)
            except TimeoutError:
                closed += 1
                return
            assert b"POST" in head
            writer.write(OK)

    upstream, url = await street.upstream(impatient)
    door = await street.door(orders=url, upstream_idle_seconds=0.2)
    for pause in (0.05, 0.39, 0.4, 0.41, 0.42):
        assert (await door.ask(post("Content-Length: 0"))).status == 200
        await asyncio.sleep(pause)
    assert upstream.connections > 1
    assert closed == 0
