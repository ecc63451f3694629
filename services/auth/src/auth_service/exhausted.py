"""Who has no attempts left, as far as this process has heard: to be refused without a look into the database."""

from collections.abc import Callable
from dataclasses import dataclass

MOST = 10_000
"""How many are remembered; whoever was remembered first is forgotten for the next."""

ASK_AGAIN = 10
"""For how many seconds a memory is believed. Then one attempt, and no more, goes to the database: attempts may have
been given back there meanwhile, by another replica."""


@dataclass
class _Memory:
    until: int
    ask_again_at: float


class Exhausted:
    """Remembers, by digest of whom or what is counted, when there will be attempts again; `clock` is wall time."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._memories: dict[bytes, _Memory] = {}

    def remember(self, counted: bytes, *, until: int) -> None:
        """Take note of somebody who has used up their attempts; `until` is in seconds since the epoch."""
        self._memories.pop(counted, None)
        if len(self._memories) >= MOST:
            del self._memories[next(iter(self._memories))]
        self._memories[counted] = _Memory(until, self._clock() + ASK_AGAIN)

    def forget(self, counted: bytes) -> None:
        """Let somebody try again."""
        self._memories.pop(counted, None)

    def until(self, counted: bytes) -> int | None:
        """Return when there will be attempts again, or None for whoever is to be looked up."""
        memory = self._memories.get(counted)
        if memory is None:
            return None
        now = self._clock()
        if memory.until <= now:
            del self._memories[counted]
            return None
        if not 0 < memory.ask_again_at - now <= ASK_AGAIN:  # or the clock was set back
            memory.ask_again_at = now + ASK_AGAIN
            return None
        return memory.until
