"""Whose turn it is to call a service, when there are more calls than it shall have at a time."""

import asyncio
from collections import OrderedDict
from typing import Protocol


class Call(Protocol):
    """A call that has its turn."""

    def give_turn_up(self) -> None:
        """End, because others wait, and the client is the reason."""


class Turns:
    """So many calls at a time; further ones wait in a queue, for as long as they like.

    A client that sends a large body or reads a large answer slowly has its service's turn for as long as it takes. That
    is fine while nobody else wants it. Else the call whose client was waited for longest gives its turn up, if that was
    longer than `most_kept_waiting` seconds.
    """

    def __init__(self, number: int, most_kept_waiting: float) -> None:
        self._free = number
        self._most_kept_waiting = most_kept_waiting
        self._kept_waiting: dict[Call, float] = {}
        self._queue: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    def take_at_once(self) -> bool:
        """Take a turn if there is one; return whether there is."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Wait for a turn, and take it; whoever is cancelled has none."""
        turn = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        self._make_room()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._queue.pop(turn, None)  # passed over already, if a turn ended a moment ago
            else:
                self._next()  # it was given the turn at the very moment in which it gave up waiting
            raise

    def kept_waiting(self, call: Call, seconds: float) -> None:
        """Count so many more seconds in which a call had its turn, and its client was waited for, not the service."""
        self._kept_waiting[call] = self._kept_waiting.get(call, 0.0) + seconds

    def end(self, call: Call) -> None:
        """Let the next call have the turn of this one."""
        self._kept_waiting.pop(call, None)
        self._next()

    def _next(self) -> None:
        while self._queue:
            turn, _ = self._queue.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _make_room(self) -> None:
        if not self._kept_waiting:
            return
        slowest = max(self._kept_waiting, key=self._kept_waiting.__getitem__)
        if self._kept_waiting[slowest] > self._most_kept_waiting:
            del self._kept_waiting[slowest]  # it is ending: the next one that wants room takes another's
            slowest.give_turn_up()
