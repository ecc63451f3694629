"""Who waits for the log of revocations to grow, and how they get to know, whichever process makes it grow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import structlog

from auth_service.revocations import RevocationLog
from service_chassis.database import StorageUnavailable
from service_chassis.problems import Unavailable

_log = structlog.get_logger()

_AFTER_A_FAULT = 0.5
"""Seconds until the log is looked at again when it could not be."""


class RevocationNews:
    """Knows how far the log has got, and lets go those who wait for it to get further.

    `gathering`: seconds between two times that they are let go, so that what is revoked meanwhile makes one answer;
    `places`: how many may wait.
    """

    def __init__(self, log: RevocationLog, *, gathering: float, places: int) -> None:
        self._log = log
        self._gathering = gathering
        self._places = places
        self._head = 0
        self._waiting = 0
        self._somebody_waits = asyncio.Event()
        self._grown = asyncio.Event()
        self._ended = False
        self._looking = asyncio.Lock()
        self._looks_begun = 0
        self._looks_done = 0
        self._fault: str | None = "The log of revocations has not been looked at yet."

    @property
    def head(self) -> int:
        """The seq that the log had reached when it was looked at last."""
        return self._head

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting

    async def ready(self) -> str | None:
        """Return None when the log can be followed, or a sentence: a check for `/readyz`."""
        return self._fault

    def is_beyond(self, seq: int) -> bool:
        """Tell whether there is no need to wait for the log to get further than a seq."""
        return self._head > seq or self._ended

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places of those who wait. Raises Unavailable when there is none left."""
        if self._waiting >= self._places:
            raise Unavailable("overloaded", "Too many wait for revocations at this process.", retry_after=1)
        self._waiting += 1
        self._somebody_waits.set()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._somebody_waits.clear()

    async def wait(self, after: int, seconds: float) -> None:
        """Return once the log has got further than a seq, the time is over, or `end` has been called."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.is_beyond(after):
                    await self._grown.wait()

    async def look(self) -> None:
        """See how far the log has got by now. Raises StorageUnavailable.

        Whoever comes while somebody looks shares the next look with all others who do: that one may be too early.
        """
        begun_before = self._looks_begun
        async with self._looking:
            if self._looks_done <= begun_before:
                await self._see()
        if self._fault is not None:
            raise StorageUnavailable(self._fault)

    def end(self) -> None:
        """Let everybody go, and let nobody wait any more: the process is about to end."""
        self._ended = True
        self._let_go()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Notice what is appended, for the length of a block."""
        tasks = [asyncio.create_task(_for_ever(task)) for task in (self._listen, self._look_when_told)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _let_go(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _see(self) -> None:
        self._looks_begun += 1
        try:
            head = await self._log.head()
        except StorageUnavailable as unavailable:
            self._fault = unavailable.detail
        else:
            self._fault = None
            # Not the greatest ever: a database put back from a copy has an earlier one.
            if head != self._head:
                self._head = head
                self._let_go()
        self._looks_done = self._looks_begun

    async def _listen(self) -> None:
        """Have the log looked at when another process may have appended something, as long as somebody waits."""
        async with self._log.watching() as changes:
            while True:
                await self._somebody_waits.wait()
                await changes.wait()
                self._log.grown.set()

    async def _look_when_told(self) -> None:
        self._log.grown.set()
        while True:
            await self._log.grown.wait()
            self._log.grown.clear()
            try:
                await self.look()
            except StorageUnavailable:
                self._log.grown.set()
                await asyncio.sleep(_AFTER_A_FAULT)
            else:
                await asyncio.sleep(self._gathering)


async def _for_ever(task: Callable[[], Awaitable[None]]) -> None:
    """Begin again after a fault that nobody foresaw: followers have to hear of the next revocation all the same."""
    while True:
        try:
            await task()
        except Exception:  # noqa: BLE001 -- it is logged with its trace, and what follows is the same whatever it was
            _log.exception("revocation_news_failed")
        await asyncio.sleep(_AFTER_A_FAULT)
