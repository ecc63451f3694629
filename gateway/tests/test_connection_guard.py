"""What the door takes from a connection, byte by byte; and what never gets behind it."""

import asyncio
import json

import pytest

from gateway.testing import Client, Response, Street, get

HIDDEN = b"GET /api/orders/hidden HTTP/1.1\r\nHost: door.test\r\n\r\n"


def head(*fields: bytes, line: bytes = b"POST /api/orders HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: door.test", *fields, b"", b""])


CHUNKED = head(b"Transfer-Encoding: chunked")


def problem(response: Response) -> tuple[int, str]:
    assert response.values("content-type") == ["application/problem+json"]
    document = json.loads(response.body)
    assert document["status"] == response.status
    return response.status, document["reason"]


SMUGGLED = {
    "length and chunks": head(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunks and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"0\r\n\r\n",
    "two lengths that differ": head(b"Content-Length: 0", b"Content-Length: 60"),
    "two lengths alike": head(b"Content-Length: 0", b"Content-Length: 0"),
    "a list of lengths": head(b"Content-Length: 0, 60"),
    "a positive length": head(b"Content-Length: +60"),
    "a negative length": head(b"Content-Length: -1"),
    "a hexadecimal length": head(b"Content-Length: 0x10"),
    "a length with a blank in it": head(b"Content-Length: 6 0"),
    "an empty length": head(b"Content-Length:"),
    "two codings": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "chunked twice": head(b"Transfer-Encoding: chunked, chunked"),
    "identity": head(b"Transfer-Encoding: identity"),
    "gzip, chunked": head(b"Transfer-Encoding: gzip, chunked"),
    "xchunked": head(b"Transfer-Encoding: xchunked"),
    "quoted chunked": head(b'Transfer-Encoding: "chunked"'),
    "chunked behind a vertical tab": head(b"Transfer-Encoding: \x0bchunked"),
    "a blank before the colon": head(b"Transfer-Encoding : chunked"),
    "a tab before the colon": head(b"Content-Length\t: 60"),
    "a folded line": head(b"X-A: b", b" Transfer-Encoding: chunked"),
    "a folded first line": b"GET /api/orders HTTP/1.1\r\n Host: door.test\r\n\r\n",
    "a bare line feed": b"GET /api/orders HTTP/1.1\r\nHost: door.test\nTransfer-Encoding: chunked\r\n\r\n",
    "bare line feeds only": b"GET /api/orders HTTP/1.1\nHost: door.test\n\n",
    "a bare carriage return": head(b"X-A: b\rTransfer-Encoding: chunked"),
    "a NUL in a value": head(b"X-A: b\x00c"),
    "a NUL in a name": head(b"X\x00A: b"),
    "no colon": head(b"X-A b"),
    "no name": head(b": b"),
    "a chunk size with a sign": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with 0x": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk size that overflows": CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "an empty chunk size": CHUNKED + b"\r\n0\r\n\r\n",
    "a chunk size before a bare line feed": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
    "a chunk that ends otherwise": CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
    "a chunk without its end": CHUNKED + b"5\r\nhello0\r\n\r\n",
    "a line feed in a chunk extension": CHUNKED + b"5;a=\nb\r\nhello\r\n0\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"0\r\nnonsense\r\n\r\n",
    "a trailer after a bare line feed": CHUNKED + b"0\r\nA: b\n\r\n",
    "two hosts": head(b"Host: other.test"),
    "no host": b"GET /api/orders HTTP/1.1\r\n\r\n",
    "an empty host": b"GET /api/orders HTTP/1.1\r\nHost:\r\n\r\n",
    "a host with a path": b"GET /api/orders HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a host that would end our quotes": b'GET /api/orders HTTP/1.1\r\nHost: a";for=1\r\n\r\n',
    "an absolute target": b"GET http://evil.test/api/orders HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: door.test\r\n\r\n",
    "an authority": b"GET door.test:80 HTTP/1.1\r\nHost: door.test\r\n\r\n",
    "a backslash in the path": b"GET /api/orders\\..\\x HTTP/1.1\r\nHost: door.test\r\n\r\n",
    "a fragment": b"GET /api/orders#x HTTP/1.1\r\nHost: door.test\r\n\r\n",
    "a path that is not ASCII": b"GET /api/orders/\xc3\xa9 HTTP/1.1\r\nHost: door.test\r\n\r\n",
    "half a percent escape": b"GET /api/orders/%4 HTTP/1.1\r\nHost: door.test\r\n\r\n",
    "two blanks in the request line": b"GET  /api/orders HTTP/1.1\r\nHost: door.test\r\n\r\n",
    "no version": b"GET /api/orders\r\nHost: door.test\r\n\r\n",
    "HTTP/2 prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET /api/orders HTTP/1.2\r\nHost: door.test\r\n\r\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("smuggled", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(
    street: Street, smuggled: bytes
) -> None:
    """Each of these gets 400 and the end of the connection; the request hidden behind it never reaches the upstream."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    async with door.client() as client:
        await client.send(smuggled + HIDDEN)
        assert problem(await client.response()) == (400, "malformed_request")
        assert await client.is_closed()
    assert not [request for request in upstream.requests if b"hidden" in request.head + request.body]


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "FOO", "get", "X" * 32])
async def test_a_method_the_door_does_not_know_is_405(street: Street, method: str) -> None:
    """CONNECT would make a tunnel and TRACE an echo; neither they nor inventions pass."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    response = await door.ask(get("/api/orders", method=method))
    assert problem(response) == (405, "method_not_allowed")
    assert response.values("allow") == ["GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]
    assert upstream.connections == 0


async def test_http_1_0_is_told_what_to_speak(street: Street) -> None:
    """HTTP/1.0 has no chunks, so a streamed answer could not be told from a broken one: 426 names HTTP/1.1."""
    door = await street.door()
    response = await door.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert problem(response) == (426, "malformed_request")
    assert response.values("upgrade") == ["HTTP/1.1"]


async def test_a_chunked_body_arrives_without_extensions_and_trailers(street: Street) -> None:
    """What the upstream gets is the data alone: no trailer can pose as a header there."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    response = await door.ask(CHUNKED + b"5;a=b\r\nhello\r\n00002\r\n, \r\n5\r\nworld\r\n0\r\nX-User-Id: 1\r\n\r\n")
    assert response.status == 200
    assert upstream.requests[0].body == b"hello, world"
    assert b"user" not in upstream.requests[0].head.lower()


OVER = "X-Long: " + "a" * 16_384 + "\r\n"


@pytest.mark.parametrize("before", [0, 1], ids=["first request", "later request"])
@pytest.mark.parametrize(
    "oversized",
    [
        get("/api/orders", OVER),
        get("/api/orders", OVER).removesuffix(b"\r\n"),
        get("/api/orders/" + "a" * 16_384),
        get("/api/orders", "".join(f"X-{n}: 1\r\n" for n in range(101))),
        b"GET /api/orders HTTP/1.1\r\nHost: a\r\nX-Endless: " + b"a" * 100_000,
    ],
    ids=["one header", "unfinished", "target", "number of headers", "without end"],
)
async def test_headers_above_the_cap_are_431(street: Street, before: int, oversized: bytes) -> None:
    """The cap of 16 KiB counts request line and headers, finished or not, on a new connection or a kept one."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    async with door.client() as client:
        for _ in range(before):
            assert (await client.ask(get("/api/orders"))).status == 200
        await client.send(oversized)
        assert problem(await client.response()) == (431, "headers_too_large")
        assert await client.is_closed()
    assert len(upstream.requests) == before


async def test_headers_just_below_the_cap_pass(street: Street) -> None:
    """16 KiB is what may come, to the byte."""
    _, url = await street.upstream()
    door = await street.door(orders=url)
    room = 16_384 - len(get("/api/orders", "X: \r\n"))
    assert (await door.get("/api/orders", f"X: {'a' * room}\r\n")).status == 200
    assert (await door.get("/api/orders", f"X: {'a' * (room + 1)}\r\n")).status == 431


async def drip(client: Client, data: bytes, pause: float) -> None:
    for byte in data:
        await client.send(bytes([byte]))
        await asyncio.sleep(pause)


@pytest.mark.parametrize("before", [0, 1], ids=["first request", "later request"])
async def test_a_client_that_sends_its_headers_slowly_is_cut(street: Street, before: int) -> None:
    """The deadline runs from the first byte, however many drip in, on a new connection or a kept one: 408."""
    _, url = await street.upstream()
    door = await street.door(orders=url, header_seconds=0.3)
    async with door.client() as client:
        for _ in range(before):
            assert (await client.ask(get("/api/orders"))).status == 200
        dripping = asyncio.create_task(drip(client, get("/api/orders"), 0.05))
        assert problem(await asyncio.wait_for(client.response(), 2)) == (408, "header_timeout")
        dripping.cancel()


async def test_a_client_that_says_nothing_is_cut(street: Street) -> None:
    """A new connection has the header deadline for its first byte too; it ends without a word."""
    door = await street.door(header_seconds=0.2)
    async with door.client() as client:
        assert await asyncio.wait_for(client.is_closed(), 2)


async def test_an_empty_line_buys_no_time(street: Street) -> None:
    """It is forgiven before a request, and is none: the clock that runs goes on."""
    door = await street.door(header_seconds=0.2, client_idle_seconds=30)
    async with door.client() as client:
        await client.send(b"\r\n")
        assert await asyncio.wait_for(client.is_closed(), 2)


async def test_an_empty_line_behind_a_request_stops_no_clock(street: Street) -> None:
    """The connection is idle then, and closes when that is over."""
    door = await street.door(header_seconds=30, client_idle_seconds=0.2)
    async with door.client() as client:
        assert (await client.ask(get("/nothing") + b"\r\n")).status == 404
        assert await asyncio.wait_for(client.is_closed(), 2)


async def test_a_kept_connection_outlasts_the_header_deadline_but_not_its_idle_time(street: Street) -> None:
    """Between requests another clock runs, and it ends the connection without a word."""
    door = await street.door(header_seconds=0.1, client_idle_seconds=0.5)
    async with door.client() as client:
        assert (await client.ask(get("/"))).status == 200
        await asyncio.sleep(0.2)
        assert (await client.ask(get("/"))).status == 200
        assert await asyncio.wait_for(client.is_closed(), 2)


async def test_a_websocket_is_refused_and_another_upgrade_ignored(street: Street) -> None:
    """WebSocket gets a problem; the h2c offer that some clients make with each request does no harm."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url)
    websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
    assert problem(await door.get("/api/orders", websocket)) == (400, "invalid_request")
    h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    assert (await door.get("/api/orders", h2c)).status == 200
    assert upstream.requests[0].values("upgrade") == upstream.requests[0].values("http2-settings") == []
