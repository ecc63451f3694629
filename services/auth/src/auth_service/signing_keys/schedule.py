"""The schedule of a process: what is due by time gets done, and a key is at hand before anybody needs one."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog

from auth_service.signing_keys.key_material import KeyMaker
from auth_service.signing_keys.transitions import KeyTransitions
from service_chassis.database import StorageUnavailable

_log = structlog.get_logger()

_SHARE_OF_JITTER: Final = 0.2
_LOOKS_UNTIL_AHEAD: Final = 2


class KeySchedule:
    """Looks at the keys every `look_every` seconds, or when something is due if that is sooner, and does it.

    Processes wake up at slightly different moments, so that mostly one of them finds something to do. `clock` is
    seconds since the epoch, `spread` draws a number between two.
    """

    def __init__(
        self,
        transitions: KeyTransitions,
        *,
        maker: KeyMaker,
        look_every: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._transitions = transitions
        self._maker = maker
        self._look_every = look_every
        self._clock = clock
        self._sleep = sleep
        self._spread = spread
        self._at_work = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep to the schedule as long as the block lasts."""
        tasks = [
            asyncio.create_task(each, name="key_schedule")
            for each in (self._advance_for_ever(), self._keep_one_ahead())
        ]
        try:
            yield
        finally:
            async with self._at_work:  # not in the middle of a change, whose outcome nobody would know
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks)

    async def _advance_for_ever(self) -> None:
        while True:
            async with self._at_work:
                pause = await self._advanced()
            await self._sleep(pause + self._spread(0, _SHARE_OF_JITTER * self._look_every))

    async def _advanced(self) -> float:
        """Do what is due, and return after how long to look again."""
        try:
            due_at = await self._transitions.advance()
        except StorageUnavailable:
            pass  # said by whoever met it; what is due stays due
        except Exception:  # noqa: BLE001 -- logged with its trace, and tried again
            # A schedule that ended here would be noticed when the keys are found to be old, by nobody.
            _log.exception("key_schedule_failed")
        else:
            return min(max(due_at - self._clock(), 0), self._look_every)
        return self._look_every

    async def _keep_one_ahead(self) -> None:
        while True:
            # Not at once: whoever lives but for a moment shall make no key for nothing.
            await self._sleep(_LOOKS_UNTIL_AHEAD * self._look_every)
            await self._maker.make_ahead()
