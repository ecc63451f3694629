"""What an application sends that is no answer, or would be another one to the client than it means."""

import asyncio
import json
from typing import Any

import pytest
from gateway.tests.test_client_exchange import Headers, answering, of_length
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.testing import Street, get


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
