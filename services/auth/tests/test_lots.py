"""Serving many at once."""

import asyncio
from collections.abc import Sequence

from auth_service.lots import Lots


class Counter:
    """Serves a lot when it is told to, and keeps account of the lots."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.may_serve = asyncio.Event()

    async def serve(self, asked: Sequence[int]) -> Sequence[int]:
        self.lots.append(list(asked))
        await self.may_serve.wait()
        if 13 in asked:
            raise ValueError("13")
        return [number * 10 for number in asked]


async def _ask(lots: Lots[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    asking = [asyncio.create_task(lots.ask(number)) for number in numbers]
    for _ in range(5):
        await asyncio.sleep(0)
    return asking


async def test_whoever_comes_meanwhile_is_served_together() -> None:
    """Five who come while one is served make one lot, and each gets their own answer."""
    counter = Counter()
    lots = Lots(counter.serve)
    asking = [*await _ask(lots, 1), *await _ask(lots, 2, 3), *await _ask(lots, 4, 5, 6)]
    counter.may_serve.set()
    assert await asyncio.gather(*asking) == [10, 20, 30, 40, 50, 60]
    assert counter.lots == [[1], [2, 3, 4, 5, 6]]


async def test_a_lot_that_fails_fails_alone() -> None:
    """All of the lot hear what went wrong, and the next lot is served."""
    counter = Counter()
    lots = Lots(counter.serve)
    asking = [*await _ask(lots, 1), *await _ask(lots, 12, 13)]
    counter.may_serve.set()
    one, *others = await asyncio.gather(*asking, return_exceptions=True)
    assert one == 10
    assert [type(other) for other in others] == [ValueError, ValueError]
    assert await lots.ask(7) == 70


async def test_who_goes_away_takes_nobody_along() -> None:
    """Whoever gives up waiting, also the first of a lot, leaves the others their answers."""
    counter = Counter()
    lots = Lots(counter.serve)
    gone, stays = await _ask(lots, 1, 2)
    gone.cancel()
    counter.may_serve.set()
    assert await stays == 20
    assert gone.cancelled()
