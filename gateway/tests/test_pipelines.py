"""Requests that come before the one ahead of them is answered: one stream, however it is cut, and one at a time."""

import asyncio

import pytest
from gateway.tests.test_connection_guard import CHUNKED, HIDDEN, OVER, head, problem

from gateway.testing import Street, get


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(street: Street) -> None:
    """Three requests in one segment give three answers; and a refused fourth is answered after them."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    async with door.client() as client:
        await client.send(
            get("/api/orders/1") + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + get("/api/orders/3") + b"BAD \r\n\r\n" + HIDDEN
        )
        assert [(await client.response()).status for _ in range(4)] == [200, 200, 200, 400]
        assert await client.is_closed()
    assert [request.target for request in upstream.requests] == [b"/api/orders/1", b"/api/orders", b"/api/orders/3"]


POSTED = head(b"Content-Type: application/json", b"Content-Length: %d" % len(HIDDEN))
CUT = {
    "within a head": (POSTED[:20], POSTED[20:] + HIDDEN),
    "between head and body": (POSTED, HIDDEN),
    "within a body": (POSTED + HIDDEN[:9], HIDDEN[9:]),
    "between requests": (POSTED + HIDDEN, b""),
}


@pytest.mark.parametrize(("first", "second"), CUT.values(), ids=CUT)
async def test_what_came_later_is_not_read_before_what_was_held_back(
    street: Street, first: bytes, second: bytes
) -> None:
    """However the segments cut a pipeline that comes while a request is answered, it is read as one stream."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    upstream.free.clear()
    async with door.client() as client:
        await client.send(get("/api/orders/1") + first)
        await upstream.asked.wait()
        await client.send(second + get("/api/orders/3"))
        await asyncio.sleep(0.005)  # it lies in the door's socket, unread
        upstream.free.set()
        assert [(await client.response()).status for _ in range(3)] == [200, 200, 200]
    assert [request.target for request in upstream.requests] == [b"/api/orders/1", b"/api/orders", b"/api/orders/3"]
    assert upstream.requests[1].body == HIDDEN


async def test_a_request_that_never_ends_behind_another_has_its_deadline(street: Street) -> None:
    """Its clock runs from when its turn comes: 408, behind the answer to the one before."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url, header_seconds=0.3)
    upstream.free.clear()
    async with door.client() as client:
        await client.send(get("/api/orders") + get("/api/orders")[:-2])
        await asyncio.sleep(0.5)
        upstream.free.set()
        assert (await client.response()).status == 200
        assert problem(await client.response()) == (408, "header_timeout")
        assert await client.is_closed()
    assert len(upstream.requests) == 1


async def test_headers_above_the_cap_are_431_behind_a_pipelined_request(street: Street) -> None:
    """The cap holds for a request that came in the same segment as the one before it."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    async with door.client() as client:
        await client.send(get("/api/orders") + get("/api/orders", OVER))
        assert [(await client.response()).status for _ in range(2)] == [200, 431]
    assert len(upstream.requests) == 1


async def test_a_half_sent_head_behind_a_slow_answer_is_not_counted_against_its_client(street: Street) -> None:
    """While the door itself is busy with the first request, the second's clock stands still."""
    upstream, url = await street.upstream()
    upstream.free.clear()
    door = await street.door(orders=url, header_seconds=0.2)
    async with door.client() as client:
        await client.send(get("/api/orders") + b"GET / HTTP/1.1\r\nHo")
        await asyncio.sleep(0.4)
        upstream.free.set()
        assert (await client.response()).status == 200
        assert (await client.ask(b"st: door.test\r\n\r\n")).status == 200
