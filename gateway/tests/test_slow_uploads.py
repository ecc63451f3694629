"""Clients that send slowly, and what they cost others: nothing."""

import asyncio
import contextlib
import json

import structlog

from gateway.held_bodies import HeldBodies
from gateway.punctuality import EVERY
from gateway.testing import Client, Door, Street


def post(length: int) -> bytes:
    return b"POST /api/orders HTTP/1.1\r\nHost: door.test\r\nContent-Length: %d\r\n\r\n" % length


async def uploading(door: Door, stack: contextlib.AsyncExitStack, *, sent: int, of: int) -> Client:
    client = await stack.enter_async_context(door.client())
    await client.send(post(of) + b"a" * sent)
    return client


async def until_read(door: Door, of: int) -> None:
    """Wait until the door has begun so many requests."""
    async with asyncio.timeout(10):
        while len(door.server.server_state.tasks) < of:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)


async def test_slow_uploads_take_nobodys_turn(street: Street) -> None:
    """However many bodies are on their way, others are served; each that ends in time is served as well."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url, upstream_calls=2, upstream_queue_seconds=0.1)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await uploading(door, stack, sent=1000, of=2000) for _ in range(20)]
        await until_read(door, of=20)
        assert (await door.get("/api/orders")).status == 200
        assert upstream.connections == 1
        for client in clients:
            await client.send(b"a" * 1000)
            assert (await client.response()).status == 200
    assert [len(request.body) for request in upstream.requests] == [0] + [2000] * 20


async def test_a_client_that_leaves_while_its_body_is_held_was_never_there(street: Street) -> None:
    """The upstream is not called for a body that does not come."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    async with contextlib.AsyncExitStack() as stack:
        await uploading(door, stack, sent=1000, of=2000)
        await until_read(door, of=1)
    async with asyncio.timeout(10):
        while door.server.server_state.tasks:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
    assert upstream.connections == 0


async def test_what_is_held_is_bounded_and_the_slowest_goes_first(street: Street) -> None:
    """When the memory for held bodies is full, the oldest gets 408, and the others their answers."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url, uploads_held_bytes=2500, upload_pause_seconds=60)
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for number in range(1, 4):
            clients.append(await uploading(door, stack, sent=1000, of=2000))
            await until_read(door, of=min(number, 2))
        refused = await asyncio.wait_for(clients[0].response(), 10)
        assert (refused.status, json.loads(refused.body)["reason"]) == (408, "body_timeout")
        for client in clients[1:]:
            await client.send(b"a" * 1000)
            assert (await client.response()).status == 200
    assert len(upstream.requests) == 2


async def test_a_large_body_that_drips_keeps_its_turn_only_while_nobody_wants_it(street: Street) -> None:
    """Beyond what is held it has its service's turn: alone it may take its time, but the longest of several gives way.

    No piece of it is late, and its service takes whatever comes.
    """
    upstream, url = await street.upstream()
    door = await street.door(orders=url, upload_held_bytes=1, upstream_calls=2, upstream_queue_seconds=0.2)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(door.client()) for _ in range(2)]

        async def drip(client: Client, pieces: int) -> None:
            await client.send(post(pieces * 2) + b"aa")
            for _ in range(pieces - 1):
                await asyncio.sleep(0.02)
                await client.send(b"aa")

        long = asyncio.create_task(drip(clients[0], 10_000))
        await asyncio.sleep(0.5)  # alone, it is let be
        assert upstream.connections == 1
        short = asyncio.create_task(drip(clients[1], 100))
        await until_read(door, of=2)
        async with asyncio.timeout(10):
            while (await door.get("/api/orders")).status != 200:
                pass  # until the first has been waited for long enough
        refused = await asyncio.wait_for(clients[0].response(), 10)
        assert (refused.status, json.loads(refused.body)["reason"]) == (408, "body_timeout")
        long.cancel()
        await short
        assert (await clients[1].response()).status == 200


async def test_whoever_was_slow_is_told_so_when_its_turn_is_wanted(street: Street) -> None:
    """408, and the service is not blamed: also when the body has come in the end, and the service works on it."""
    upstream, url = await street.upstream()
    upstream.free.clear()
    door = await street.door(
        orders=url, upload_held_bytes=1, upstream_calls=1, upstream_queue_seconds=0.1, upstream_answer_seconds=60
    )
    async with door.client() as slow, door.client() as other:
        await slow.send(post(4) + b"aa")
        await asyncio.sleep(0.1 + 3 * EVERY)
        await slow.send(b"aa")
        await upstream.asked.wait()
        with structlog.testing.capture_logs() as logged:
            await other.send(b"GET /api/orders HTTP/1.1\r\nHost: door.test\r\n\r\n")
            refused = await asyncio.wait_for(slow.response(), 10)
        assert (refused.status, json.loads(refused.body)["reason"]) == (408, "body_timeout")
        assert [line["event"] for line in logged if "upstream" in line] == []
        upstream.free.set()
        assert (await other.response()).status == 200


async def test_a_client_that_leaves_before_its_turn_waits_no_more(street: Street) -> None:
    """Whatever has come of its body, and although nobody reads on: its place in the queue goes to others."""
    upstream, url = await street.upstream()
    upstream.free.clear()
    door = await street.door(
        orders=url, upload_held_bytes=1000, upstream_calls=1, upstream_queue_seconds=60, upstream_answer_seconds=60
    )
    holding = asyncio.create_task(door.get("/api/orders"))
    await upstream.asked.wait()
    async with contextlib.AsyncExitStack() as stack:
        await uploading(door, stack, sent=100_000, of=200_000)
        await until_read(door, of=2)
        await asyncio.sleep(2 * EVERY)
    async with asyncio.timeout(10):
        while len(door.server.server_state.tasks) > 1:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
    upstream.free.set()
    assert (await holding).status == 200
    assert len(upstream.requests) == 1


async def test_nobody_is_turned_out_while_the_service_itself_is_slow(street: Street) -> None:
    """Whose service takes its time keeps the turn, however long; the others get 503."""
    upstream, url = await street.upstream()
    upstream.free.clear()
    door = await street.door(orders=url, upstream_calls=1, upstream_queue_seconds=0.1, upstream_answer_seconds=60)
    first = asyncio.create_task(door.get("/api/orders"))
    await until_read(door, of=1)
    await asyncio.sleep(0.3)
    assert (await door.get("/api/orders")).status == 503
    upstream.free.set()
    assert (await first).status == 200


def test_held_bodies_count_each_body_once() -> None:
    """A body that grows counts as what it is now; one that is let go, or given up, counts no more."""
    held = HeldBodies(100)
    given_up: list[str] = []
    a, b, c = (lambda: given_up.append("a")), (lambda: given_up.append("b")), (lambda: given_up.append("c"))
    for size in range(101):
        held.hold(size, a)
    held.let_go(a)
    held.let_go(a)
    held.hold(60, b)
    held.hold(40, c)
    assert given_up == []
    held.hold(41, c)
    assert given_up == ["b"]
    held.hold(100, c)
    held.hold(101, c)
    assert given_up == ["b", "c"]
