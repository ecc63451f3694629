"""What is written within one turn goes out in one piece."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

import pytest
import uvicorn
from starlette.responses import Response
from uvicorn.server import ServerState

from service_chassis.gathered_writes import MOST_JOINED, GatheringProtocol, GatheringTransport
from service_chassis.server import bind, server


class Transport(asyncio.Transport):
    """One that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes | bytearray | memoryview] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.written += list_of_data

    def close(self) -> None:
        self.closed = True

    abort = close


@pytest.fixture
async def inner() -> Transport:
    return Transport()


@pytest.fixture
async def transport(inner: Transport) -> GatheringTransport:
    return GatheringTransport(inner)


async def test_an_answer_is_sent_once() -> None:
    """Its head and its body come in one segment, on every request of a connection."""
    listener = bind("127.0.0.1", 0)
    serving = server(Response(b"a body"), lifespan=False)
    running = asyncio.create_task(serving.serve(sockets=[listener]))
    while not serving.started:  # noqa: ASYNC110 -- to be told, `serving` would change the collector of all tests
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    with socket.create_connection(listener.getsockname()) as client:
        client.settimeout(0)
        for _ in range(20):
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert (await loop.sock_recv(client, 4096)).endswith(b"\r\n\r\na body")
    serving.should_exit = True
    await running


async def test_a_page_is_not_copied_for_those_who_do_not_read_it(
    inner: Transport, transport: GatheringTransport
) -> None:
    """A small answer goes out in one piece; a large one is handed on as it is: one serves all who wait for it."""
    page = bytes(MOST_JOINED)
    for answer in (b"head", b"body"), (b"head", page):
        for piece in answer:
            transport.write(piece)
        transport.flush()
    assert inner.written == [b"headbody", b"head", page]
    assert inner.written[2] is page


async def test_an_answer_of_many_pieces_is_not_kept(inner: Transport, transport: GatheringTransport) -> None:
    """What is written without a pause between goes out as soon as there is much of it."""
    pieces = [bytes(MOST_JOINED // 4) for _ in range(9)]
    for piece in pieces:
        transport.write(piece)
    assert sum(map(len, inner.written)) > MOST_JOINED
    await asyncio.sleep(0)
    assert sum(map(len, inner.written)) == sum(map(len, pieces))


async def test_what_was_written_goes_out_before_the_end_unless_it_is_cut(
    inner: Transport, transport: GatheringTransport
) -> None:
    """A close sends it first, an abort does not."""
    transport.write(b"last words")
    transport.close()
    assert (inner.written, inner.closed) == ([b"last words"], True)
    transport.write(b"too late")
    transport.abort()
    await asyncio.sleep(0)
    assert inner.written == [b"last words"]


async def test_whoever_writes_to_a_connection_that_is_gone_is_told(inner: Transport) -> None:
    """What was not sent when it ended is let go of, and what is written later gets the real transport's own answer."""
    protocol = GatheringProtocol(uvicorn.Config(Response(), log_config=None), ServerState(), {})
    protocol.connection_made(inner)
    protocol.transport.write(b"too late")
    protocol.connection_lost(ConnectionResetError())
    await asyncio.sleep(0)
    assert inner.written == []
    protocol.transport.write(b"later still")
    assert inner.written == [b"later still"]


async def test_who_is_told_to_wait_has_been_told_of_all_that_is_unsent() -> None:
    """A large answer is handed over whole before the protocol hears that much is unsent, and how much that is."""
    unsent: list[int] = []

    class Sender(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def pause_writing(self) -> None:
            unsent.append(self.transport.get_write_buffer_size())  # type: ignore[attr-defined]

    theirs, ours = socket.socketpair()
    with theirs:
        for end in (theirs, ours):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        inner, _ = await asyncio.get_running_loop().create_connection(Sender, sock=ours)
        gathering = GatheringTransport(inner)
        gathering.write(bytes(60_000))
        gathering.flush()
        for piece in (bytes(60_000), bytes(1_000_000)):
            gathering.write(piece)
        assert len(unsent) == 1
        assert unsent[0] > 1_000_000
        gathering.abort()
