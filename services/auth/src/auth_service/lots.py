"""Work that costs as much for a hundred as for one: done for all who wait for it, at once."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


class Lots(Generic[_Asked, _Answer]):
    """Serves those who ask one lot after the other: whoever comes while a lot is served is of the next.

    `serve` is given what a lot asked and returns an answer to each, in that order. What it raises the whole lot hears.
    """

    def __init__(self, serve: Callable[[Sequence[_Asked]], Awaitable[Sequence[_Answer]]]) -> None:
        self._serve = serve
        self._turn = asyncio.Lock()
        self._next: _Lot[_Asked, _Answer] | None = None

    async def ask(self, asked: _Asked) -> _Answer:
        """Return the answer, which comes also to those who asked together with somebody who goes away."""
        lot = self._next
        if lot is None:
            lot = self._next = _Lot()
            # The lot is nobody's request in particular: what it logs must not bear the id of whoever came first.
            lot.answers = asyncio.create_task(self._serve_in_turn(lot), context=contextvars.Context())
        place = len(lot.asked)
        lot.asked.append(asked)
        return (await asyncio.shield(lot.answers))[place]

    async def _serve_in_turn(self, lot: "_Lot[_Asked, _Answer]") -> Sequence[_Answer]:
        async with self._turn:
            self._next = None
            return await self._serve(lot.asked)


class _Lot(Generic[_Asked, _Answer]):
    answers: asyncio.Task[Sequence[_Answer]]

    def __init__(self) -> None:
        self.asked: list[_Asked] = []
