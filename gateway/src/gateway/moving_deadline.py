"""A deadline that moves with every request: its timer stays as it is, and is wound anew when it rings too early."""

import asyncio
from collections.abc import Callable


class MovingDeadline:
    """Calls `late` when the time is up. To cancel a timer and set another at each step would cost more than it does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._loop = loop
        self._late = late
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Time is running."""
        return self._due is not None

    def set(self, seconds: float) -> None:
        """Let the time be up in so many seconds."""
        self._due = due = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._ring)

    def clear(self) -> None:
        """Let no time be running."""
        self._due = None

    def end(self) -> None:
        """Let go of the timer, and of whoever would have been called."""
        self._due = None
        self._late = _nobody
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self._loop.time():
            self._timer = self._loop.call_at(self._due, self._ring)
        else:
            self._due = None
            self._late()


def _nobody() -> None:
    pass
