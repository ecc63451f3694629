"""Bodies at the door: asked for, refused, and read past."""

import asyncio

import pytest
from gateway.tests.test_connection_guard import CHUNKED, HIDDEN, head, problem

from gateway.testing import Street, get


async def test_expect_continue_is_answered_before_the_body(street: Street) -> None:
    """A client that waits for 100 gets it when its body is wanted."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    async with door.client() as client:
        waiting = head(b"Content-Length: 5", b"Expect: 100-continue")
        assert (await client.ask(waiting)).status == 100
        assert (await client.ask(b"hello")).status == 200
    assert upstream.requests[0].body == b"hello"
    assert upstream.requests[0].values("expect") == []


async def test_what_follows_a_body_that_was_not_asked_for_is_not_read(street: Street) -> None:
    """Who is refused instead of told to go on may send its body or not: some proxies do not, and send the next request.

    It would be read as the body, and what it hides as a request of its own.
    """
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    hiding = b"GET /nothing HTTP/1.1\r\nHost: a\r\nX: "
    async with door.client() as client:
        waiting = head(b"Content-Length: %d" % len(hiding), b"Expect: 100-continue", line=b"POST /nothing HTTP/1.1")
        response = await client.ask(waiting)
        assert (response.status, response.values("connection")) == (404, ["close"])
        await client.send(hiding + HIDDEN)
        assert await client.is_closed()
    assert not upstream.requests


async def test_a_body_that_is_refused_is_not_asked_for(street: Street) -> None:
    """Content-Length above the cap is 413 at once: no 100, no byte of it read, nothing upstream."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    response = await door.ask(head(b"Content-Length: 1048577", b"Expect: 100-continue"))
    assert problem(response) == (413, "body_too_large")
    assert response.values("connection") == ["close"]
    assert upstream.connections == 0


@pytest.mark.parametrize("framed", ["length", "chunks"])
async def test_a_body_above_the_cap_is_413_while_it_is_still_being_sent(street: Street, framed: str) -> None:
    """The client gets to read the answer, though it goes on sending; what it sends is not kept."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    async with door.client() as client:
        start = head(b"Content-Length: 900000000") if framed == "length" else CHUNKED
        await client.send(start)

        async def flood() -> None:
            while True:
                await client.send(b"10000\r\n" + b"a" * 65536 + b"\r\n")

        flooding = asyncio.create_task(flood())
        assert problem(await asyncio.wait_for(client.response(), 5)) == (413, "body_too_large")
        await asyncio.sleep(0.2)
        assert not flooding.done(), "a client that is still sending is not reset: many would never read the answer"
        flooding.cancel()
    assert upstream.requests == []


async def test_one_mebibyte_passes(street: Street) -> None:
    """The cap is what may come, to the byte."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    assert (await door.ask(head(b"Content-Length: 1048576") + b"a" * 1048576)).status == 200
    assert len(upstream.requests[0].body) == 1048576


@pytest.mark.parametrize("length", ["9" * 15, "9" * 30, "9" * 5000])
async def test_an_absurd_length_is_413(street: Street, length: str) -> None:
    """A number too large for any counter is a body too large, and no error of ours."""
    door = await street.door()
    assert problem(await door.ask(head(b"Content-Length: " + length.encode()))) == (413, "body_too_large")


async def test_an_early_answer_leaves_the_connection_usable_when_the_body_ends_in_time(street: Street) -> None:
    """A refused request's small body is read past, and the next request on the connection is its own."""
    door = await street.door()
    async with door.client() as client:
        assert (await client.ask(head(b"Content-Length: 5", line=b"POST /nowhere HTTP/1.1"))).status == 404
        assert (await client.ask(b"hello" + get("/"))).status == 200


async def test_an_expectation_that_cannot_be_met_is_417(street: Street) -> None:
    """The only expectation in HTTP is 100-continue. [RFC 9110 section 10.1.1]"""
    door = await street.door()
    assert problem(await door.get("/", "Expect: miracles\r\n")) == (417, "malformed_request")
