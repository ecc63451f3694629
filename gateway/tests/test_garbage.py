"""What ends at the door is freed at once: under load, much would be left for the garbage collector until it comes.

An error whose traceback leads to a frame that knows the error holds all that the frames on its way know: the request,
and its body.
"""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from gateway.tests.test_client_exchange import answering, of_length
from starlette.types import Receive, Scope, Send

from gateway.punctuality import EVERY
from gateway.testing import Client, Door, Street, get


@asynccontextmanager
async def leaving_nothing() -> AsyncIterator[None]:
    """Fail the test if anything of the gateway's, in the block, has become what only the garbage collector finds."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
        await asyncio.sleep(0)
        gc.collect()
        left = [type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("gateway.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


@pytest.mark.parametrize("sent", [get("/")[:-2], get("/", "Content-Length: 9\r\n") + b"a", get("/")])
async def test_nothing_of_a_lost_connection_waits_for_the_garbage_collector(street: Street, sent: bytes) -> None:
    """Neither half a head nor half a body: what many clients leave behind at once would be memory until it comes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["more_body"]:
            await receive()
        await answering(of_length(0), b"")(scope, receive, send)

    door = await street.connections(app)
    async with door.client() as client:
        await client.send(sent)
        while not door.server.server_state.connections:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        [connection] = door.server.server_state.connections
        gone = asyncio.Event()
        watch = weakref.ref(connection, lambda _: gone.set())
        del connection
        gc.disable()
    try:
        await asyncio.wait_for(gone.wait(), 2)
    finally:
        gc.enable()
    assert watch() is None


def post(length: int) -> bytes:
    return get("/api/orders", f"Content-Length: {length}\r\n", method="POST")


async def answered_slowly(street: Street) -> tuple[Door, bytes]:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(3 * EVERY)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    _, url = await street.upstream(slow)
    return await street.door(orders=url), get("/api/orders")


async def without_a_turn(street: Street) -> tuple[Door, bytes]:
    upstream, url = await street.upstream()
    upstream.free.clear()
    door = await street.door(orders=url, upstream_calls=1, upstream_queue_seconds=0.01, upstream_answer_seconds=60)
    holding = asyncio.create_task(door.get("/api/orders"))
    street.later(holding.cancel)
    await upstream.asked.wait()
    return door, post(5) + b"hello"


async def with_nobody_there(street: Street) -> tuple[Door, bytes]:
    return await street.door(), post(5) + b"hello"


async def with_nonsense(street: Street) -> tuple[Door, bytes]:
    _, url = await street.upstream(b"nonsense\r\n\r\n")
    return await street.door(orders=url), post(5) + b"hello"


async def with_a_cut(street: Street) -> tuple[Door, bytes]:
    async def leaving(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    _, url = await street.upstream(leaving)
    return await street.door(orders=url), post(5) + b"hello"


async def with_silence(street: Street) -> tuple[Door, bytes]:
    upstream, url = await street.upstream()
    upstream.free.clear()
    return await street.door(orders=url, upstream_answer_seconds=0.01), post(5) + b"hello"


async def with_half_a_body(street: Street) -> tuple[Door, bytes]:
    _, url = await street.upstream()
    return await street.door(orders=url, upload_pause_seconds=0.01), post(5) + b"hell"


async def with_a_body_that_grows_too_large(street: Street) -> tuple[Door, bytes, bytes]:
    _, url = await street.upstream()
    door = await street.door(orders=url, upload_held_bytes=1, body_bytes=20)
    head = get("/api/orders", "Transfer-Encoding: chunked\r\n", method="POST")
    return door, head + b"5\r\nhello\r\n", b"5\r\nhello\r\n" * 9


@pytest.mark.parametrize(
    ("happens", "status"),
    [
        (answered_slowly, 200),
        (without_a_turn, 503),
        (with_nobody_there, 502),
        (with_nonsense, 502),
        (with_a_cut, 502),
        (with_silence, 504),
        (with_half_a_body, 408),
        (with_a_body_that_grows_too_large, 413),
    ],
)
async def test_nothing_of_a_request_waits_for_the_garbage_collector(
    street: Street, happens: Callable[[Street], Awaitable[tuple[Door, *tuple[bytes, ...]]]], status: int
) -> None:
    """However it was answered: in overload and in outages, it is many that are refused."""
    door, *pieces = await happens(street)
    async with door.client() as first, door.client() as second:
        assert await answer(first, pieces) == status  # some things are made once, and kept
        async with leaving_nothing():
            assert await answer(second, pieces) == status


async def answer(client: Client, pieces: list[bytes]) -> int:
    """Send a request in pieces, of which each has gone on from the door before the next comes."""
    for piece in pieces:
        await client.send(piece)
        await asyncio.sleep(EVERY)
    return (await client.response()).status
