"""How the door serves an application: what it is told of a request, and how its answer is written."""

import asyncio
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.client_exchange import CLIENT_LEFT
from gateway.testing import Client, Street, get

Headers = list[tuple[bytes, bytes]]


def answering(headers: Headers, *pieces: bytes, status: int = 200) -> ASGIApp:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": piece is not pieces[-1]})

    return app


def of_length(length: int, *, name: bytes = b"x-a", value: bytes = b"b") -> Headers:
    return [(b"content-length", b"%d" % length), (name, value)]


async def test_an_answer_without_a_length_is_chunked(street: Street) -> None:
    """Its end is marked, so that the connection can be used again."""
    door = await street.connections(answering([], b"one", b"", b"two"))
    async with door.client() as client:
        for _ in range(2):
            response = await client.ask(get("/"))
            assert (response.values("transfer-encoding"), response.body) == (["chunked"], b"onetwo")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_that_has_no_body_is_given_none(street: Street, method: str, status: int) -> None:
    """Whatever the application sends: what came behind the head would be taken for the next answer."""
    door = await street.connections(answering([], b"" if method == "GET" else b"body", status=status))
    async with door.client() as client:
        for _ in range(2):
            response = await client.ask(get("/", method=method), to_head=True)
            assert (response.status, response.values("transfer-encoding")) == (status, [])


async def closes(client: Client, headers: str = "") -> list[str]:
    response = await client.ask(get("/", headers))
    assert await client.is_closed()
    return response.values("connection")


async def test_the_connection_is_closed_for_whoever_asks_for_it(street: Street) -> None:
    """The client in any spelling and line, or the application; and it is said once."""
    door = await street.connections(answering(of_length(2), b"ok"))
    for headers in ("Connection: x, Close\r\n", "Connection: x\r\nConnection: close\r\n"):
        async with door.client() as client:
            assert await closes(client, headers) == ["close"]
    door = await street.connections(answering(of_length(2, name=b"connection", value=b"Close, x"), b"ok"))
    async with door.client() as client:
        assert await closes(client) == ["Close, x"]


async def test_what_an_application_is_told_of_a_request(street: Street) -> None:
    """The parts of its head as they came, the path decoded besides, and the two ends of the connection."""
    told: dict[str, Any] = {}

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        told.update(scope)
        await answering(of_length(0), b"")(scope, _, send)

    door = await street.connections(app)
    await door.get("/a%2Fb%C3%A9?c=%2F", "X-A:  b \r\nX-a: \xe9\r\n")
    (client_host, client_port), server = told.pop("client"), told.pop("server")
    assert (client_host, client_port > 0, server) == ("127.0.0.1", True, ("127.0.0.1", door.port))
    assert not told.pop("extensions")[CLIENT_LEFT]()
    assert told == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a/bé",
        "raw_path": b"/a%2Fb%C3%A9",
        "query_string": b"c=%2F",
        "root_path": "",
        "headers": [(b"host", b"door.test"), (b"x-a", b"b"), (b"x-a", b"\xe9")],
        "state": {},
    }


async def test_a_body_comes_in_pieces_and_then_nothing_until_the_answer_is_complete(street: Street) -> None:
    """Each byte once and in order, the end with the last of them; and whoever goes on asking waits, also several."""
    pieces: list[tuple[bytes, bool]] = []
    after: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not pieces or pieces[-1][1]:
            message = await receive()
            pieces.append((message["body"], message["more_body"]))
        waiting = [asyncio.ensure_future(receive()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        await answering(of_length(0), b"")(scope, receive, send)
        after.set_result([(await each)["type"] for each in waiting])

    door = await street.connections(app)
    async with door.client() as client:
        await client.send(get("/", "Content-Length: 200000\r\n", method="POST"))
        for _ in range(20):
            await client.send(b"0123456789" * 1000)
        assert (await client.response()).status == 200
    assert b"".join(piece for piece, _ in pieces) == b"0123456789" * 20_000
    assert [more for _, more in pieces] == [True] * (len(pieces) - 1) + [False]
    assert await after == ["http.disconnect"] * 2


async def test_a_server_that_ends_answers_what_is_under_way_and_closes_what_is_idle(street: Street) -> None:
    """An idle connection at once, a busy one behind its answer."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await answering(of_length(2), b"ok")(scope, receive, send)

    door = await street.connections(app)
    async with door.client() as idle, door.client() as busy:
        await busy.send(get("/"))
        await begun.wait()
        for connection in list(door.server.server_state.connections):
            connection.shutdown()
        assert await idle.is_closed()
        go_on.set()
        response = await busy.response()
        assert (response.status, response.values("connection")) == (200, ["close"])
        assert await busy.is_closed()
