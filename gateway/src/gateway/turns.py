"""Whose turn it is to call a service, when there are more calls than it shall have at a time."""

import asyncio
import contextlib
from collections import deque
from typing import Protocol

from service_chassis.problems import Unavailable


class Call(Protocol):
    """A call that has its turn."""

    kept_waiting: float
    """Seconds for which its client, and not the service, was waited for since it has its turn."""

    def give_turn_up(self) -> None:
        """End, because others wait, and the client is the reason."""


class Turns:
    """So many calls at a time; further ones wait in a queue for at most `queue_seconds`.

    A client that sends a large body or reads a large answer slowly has its service's turn for as long as it takes. That
    is fine while nobody else wants it. Else the call whose client was waited for longest gives its turn up, if that was
    longer than the others are let wait.
    """

    def __init__(self, number: int, queue_seconds: float) -> None:
        self._free = number
        self._queue_seconds = queue_seconds
        self._calls: set[Call] = set()
        self._queue: deque[asyncio.Future[None]] = deque()

    def take_at_once(self, call: Call) -> bool:
        """Let a call have its turn if there is one; return whether it has."""
        if not self._free:
            return False
        self._free -= 1
        self._calls.add(call)
        return True

    async def take(self, call: Call) -> None:
        """Wait for a turn. Raises `Unavailable` (503 overloaded) when there is none for too long."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._make_room()
        try:
            async with asyncio.timeout(self._queue_seconds):
                await turn
        except BaseException as error:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # then it was passed over already
                    self._queue.remove(turn)
            else:
                self._next()  # it was given the turn at the very moment in which it gave up waiting
            if isinstance(error, TimeoutError):
                raise Unavailable("overloaded", "The service behind this path is busy.", retry_after=1) from None
            raise
        self._calls.add(call)

    def end(self, call: Call) -> None:
        """Let the next call have the turn of this one."""
        self._calls.remove(call)
        self._next()

    def _next(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _make_room(self) -> None:
        slowest = max(self._calls, key=lambda call: call.kept_waiting, default=None)
        if slowest is not None and slowest.kept_waiting > self._queue_seconds:
            slowest.give_turn_up()
