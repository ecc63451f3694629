"""One timer for all exchanges: to set one for each, and anew at each step, would cost more than what it watches."""

import asyncio
from typing import Protocol

EVERY = 0.05
"""Seconds between two looks: how late a deadline may be noticed."""


class Punctual(Protocol):
    """Something that has a deadline, or several, and is told the time every now and then."""

    def look(self, now: float) -> None:
        """Act if it is time; `now` is the event loop's."""


class Punctuality:
    """Tells everyone the time who is here when it looks, and keeps still while nobody is."""

    def __init__(self) -> None:
        self._here: set[Punctual] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, each: Punctual) -> None:
        """Tell it the time from now on; for the first time in `EVERY` seconds at the latest."""
        self._here.add(each)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._look)

    def leave(self, each: Punctual) -> None:
        """Tell it no more."""
        self._here.discard(each)

    def _look(self) -> None:
        self._timer = None
        if not self._here:
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(EVERY, self._look)
        now = loop.time()
        for each in tuple(self._here):
            each.look(now)
