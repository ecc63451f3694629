"""A fake issuer, or mere bytes, behind a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import uvicorn

from token_verification.testing import FakeIssuer


@contextlib.asynccontextmanager
async def served(issuer: FakeIssuer) -> AsyncIterator[str]:
    config = uvicorn.Config(
        issuer.asgi,
        port=0,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,  # or a question that waits would hold up the end
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/.well-known/jwks.json"
    finally:
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def answered_by(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Serve raw bytes, in whatever tempo."""
    conversations: list[asyncio.Task[None]] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.create_task(converse(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    await asyncio.gather(*conversations)
