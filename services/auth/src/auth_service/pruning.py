"""Pruning: rows that nobody needs any more go in the background, a little at a time, and in nobody's request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog

from service_chassis.database import StorageUnavailable

_log = structlog.get_logger()

AT_ONCE: Final = 1000
"""The most rows that one transaction removes, so that whoever writes meanwhile waits for little."""

_PAUSE: Final = 0.1


@contextlib.asynccontextmanager
async def pruning(prune: Callable[[], Awaitable[int]], *, every: float) -> AsyncIterator[None]:
    """Call `prune` for as long as the block lasts, which removes at most AT_ONCE rows and says how many those were.

    Again at once when there may be more, otherwise after `every` seconds.
    """
    task = asyncio.create_task(_prune_for_ever(prune, every), name="pruning")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _prune_for_ever(prune: Callable[[], Awaitable[int]], every: float) -> None:
    pruned = 0
    while True:
        await asyncio.sleep(_PAUSE if pruned >= AT_ONCE else every)
        pruned = 0
        try:
            pruned = await prune()
        except StorageUnavailable:
            pass  # it was logged, and there is no hurry
        except Exception:  # noqa: BLE001 -- it is logged with its trace, and rows that stay do no harm
            _log.exception("not_pruned")
