"""How the door writes an application's answer, and what it does with one that is none."""

import asyncio
import gc
import json
import weakref
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

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


@pytest.mark.parametrize("pieces", [(b"too much",), (b"few",), (b"four", b"!", b"")], ids=["more", "less", "later"])
async def test_a_body_of_another_length_than_was_said_ends_the_connection(
    street: Street, pieces: tuple[bytes, ...]
) -> None:
    """What is too much would be taken for the next answer, and the next answer for what is missing."""
    door = await street.connections(answering(of_length(4), *pieces))
    async with door.client() as client:
        await client.send(get("/") + get("/again"))
        received = await client.reader.read()
        assert received.count(b"HTTP/1.1") <= 1
        assert len(received.partition(b"\r\n\r\n")[2]) <= 4


@pytest.mark.parametrize("part", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
async def test_a_header_that_would_become_several_is_not_written(street: Street, part: bytes) -> None:
    """Neither by its value nor by its name: nothing of such an answer is sent, and the client hears of a fault."""
    for headers in (of_length(0, value=part), of_length(0, name=part)):
        door = await street.connections(answering(headers, b""))
        response = await door.get("/")
        assert (response.status, response.values("set-cookie")) == (500, [])


FRAMED_TWICE: dict[str, Headers] = {
    "two lengths": [(b"content-length", b"2"), (b"content-length", b"3")],
    "chunks of its own": [(b"transfer-encoding", b"chunked")],
    "a length and chunks": [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")],
}


@pytest.mark.parametrize("headers", FRAMED_TWICE.values(), ids=FRAMED_TWICE.keys())
async def test_how_an_answer_is_delimited_is_said_once(street: Street, headers: Headers) -> None:
    """By its length or else by the connection, so that nobody reads it in another way."""
    door = await street.connections(answering(headers, b"ok"))
    assert (await door.get("/")).status == 500


START = {"type": "http.response.start", "status": 200, "headers": []}
PIECE = {"type": "http.response.body", "body": b"ok", "more_body": True}
END = {"type": "http.response.body", "body": b""}
OUT_OF_PLACE = {
    "a body before the head": ([PIECE], 500),
    "a second head": ([START, START], 200),
    "a second head within the body": ([START, PIECE, START], 200),
    "another kind of message": ([{"type": "http.response.trailers"}], 500),
    "a head that is refused, and then its body": ([{**START, "headers": [(b"a", b"\n")]}, PIECE, END], 500),
    "a piece that is too long, and then the rest": (
        [{**START, "headers": of_length(3)}, PIECE, PIECE, {**END, "body": b"k"}], 200
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "status"), OUT_OF_PLACE.values(), ids=OUT_OF_PLACE.keys())
async def test_a_message_out_of_place_is_an_error_and_never_half_an_answer(
    street: Street, messages: list[dict[str, Any]], status: int
) -> None:
    """The application is told; and if it goes on all the same, its client is not told more than was right."""
    refused: list[str] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        for message in messages:
            try:
                await send(dict(message))
            except RuntimeError as error:
                refused.append(str(error))

    door = await street.connections(app)
    async with door.client() as client:
        await client.send(get("/", "Connection: close\r\n"))
        received = await client.reader.read()
    assert refused
    assert received.startswith(b"HTTP/1.1 %d " % status)
    if status == 200 and len(messages) < 4:
        assert not received.endswith(b"0\r\n\r\n")


async def test_nothing_is_sent_after_the_end(street: Street) -> None:
    """The application is told: else it would take for sent what nobody reads."""
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(of_length(2), b"ok")(scope, receive, send)
        try:
            await send(dict(END))
        except RuntimeError as error:
            told.set_result(str(error))

    door = await street.connections(app)
    async with door.client() as client:
        assert (await client.ask(get("/"))).body == b"ok"
        assert await told == "http.response.body has no place here"


async def test_an_answer_that_breaks_off_is_never_ended_cleanly(street: Street) -> None:
    """Chunked, and without its last chunk: the client can tell."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise ValueError

    door = await street.connections(app)
    async with door.client() as client:
        await client.send(get("/"))
        assert (await client.reader.read()).endswith(b"5\r\nbegun\r\n")


async def nothing(_: Scope, __: Receive, ___: Send) -> None:
    pass


async def failing(_: Scope, __: Receive, ___: Send) -> None:
    raise ValueError("nobody around it answers")


@pytest.mark.parametrize("app", [nothing, failing])
async def test_a_request_without_an_answer_is_answered_500(street: Street, app: ASGIApp) -> None:
    """To be cut off without a byte looks like a connection that stood idle too long, and clients send it again."""
    told: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    door = await street.connections(app)
    async with door.client() as client:
        response = await client.ask(get("/", "Content-Length: 2\r\n", method="POST") + b"ok")
        assert (response.status, response.values("connection")) == (500, ["close"])
        assert json.loads(response.body)["reason"] == "internal_error"
        assert await client.is_closed()
    assert len(told) == 1, "it is not silent: the event loop is told"


async def test_a_request_that_the_server_s_end_cuts_off_is_answered_500(street: Street) -> None:
    """When its time to end is up, uvicorn cancels what is under way."""
    begun = asyncio.Event()

    async def app(_: Scope, __: Receive, ___: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    door = await street.connections(app)
    async with door.client() as client:
        await client.send(get("/", method="POST"))
        await begun.wait()
        [task] = door.server.server_state.tasks
        task.cancel()
        assert (await client.response()).status == 500


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
