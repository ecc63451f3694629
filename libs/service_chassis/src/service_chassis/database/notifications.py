"""How a process notices what others have committed on PostgreSQL: it listens, and the server tells it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
import structlog

PAUSE_FIRST: Final = 0.1
PAUSE_LAST: Final = 5.0
"""Between two tries to connect, doubling, in seconds."""

PING_LOOKS: Final = 5
"""After so many looks the server is asked whether it is still there: a network that swallows all says nothing."""

Connection = Any
"""The driver's own, which has no types."""

_log = structlog.get_logger()


class Notifications:
    """What the server says on one channel, over a connection that does nothing else and is made anew when it is lost.

    Whatever was said while there was none is lost: so a new connection counts as a word, and `wait` returns in time
    without any.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], channel: str, *, look: float) -> None:
        self._connect = connect
        self._channel = channel
        self._look = look
        self._heard = asyncio.Event()

    async def wait(self) -> None:
        """Return once the server has said something since the last return, or when it is time to look anyway."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look):
                await self._heard.wait()
        self._heard.clear()

    async def keep_listening(self) -> None:
        """Listen until cancelled."""
        pause = PAUSE_FIRST
        while True:
            try:
                async with self._listening() as connection:
                    pause = PAUSE_FIRST
                    await self._until_lost(connection)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
                _log.warning("listening_lost", fault=type(fault).__name__)
            # Not all processes at once: they lost their connections together.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 -- nobody gains by guessing it
            pause = min(2 * pause, PAUSE_LAST)

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[Connection]:
        connection = await self._connect()
        try:
            await connection.add_listener(self._channel, lambda *_: self._heard.set())
            self._heard.set()
            yield connection
        finally:
            connection.terminate()

    async def _until_lost(self, connection: Connection) -> None:
        """Raise ConnectionError, or what the driver raises, once nobody answers any more."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_LOOKS * self._look):
                    await lost.wait()
            if lost.is_set():
                raise ConnectionError
            await connection.execute("SELECT 1", timeout=self._look)


@contextlib.asynccontextmanager
async def notifications(
    connect: Callable[[], Awaitable[Connection]], channel: str, *, look: float
) -> AsyncIterator[Notifications]:
    """Listen on a channel for the length of a block."""
    notifications = Notifications(connect, channel, look=look)
    listening = asyncio.create_task(notifications.keep_listening())
    try:
        yield notifications
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
