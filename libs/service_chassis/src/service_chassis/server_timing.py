"""Server-Timing: what an answer's time was spent on, for whoever asked. [W3C Server Timing]

It is off unless a process is told otherwise: how long each part takes is nobody's business but a developer's.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

_NAME = b"server-timing"
_NOT_MEASURED: AbstractContextManager[None] = nullcontext()


class Timing:
    """The time of one request in this process, and the parts of it that were measured.

    `name`: of the process; `started`: the moment at which its request came, by `time.perf_counter`. Both and every
    part's name are tokens of ours, never a client's.
    """

    __slots__ = ("_name", "_parts", "_started")

    def __init__(self, name: str, started: float) -> None:
        self._name = name
        self._started = started
        self._parts: list[tuple[str, float, float]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what is done inside, however it ends."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._parts.append((name, started - self._started, time.perf_counter() - started))

    def in_one_field(self, fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return an answer's headers with a single `Server-Timing`: this process first, and then what it was told.

        Durations are milliseconds, `dur` as the specification has it. `start` is ours: when a part began, counted from
        the arrival of the request at the process that measured it. The specification has user agents pass it over.
        """
        said = [f"{self._name};dur={(time.perf_counter() - self._started) * 1000:.2f}".encode()]
        said += [f"{name};dur={took * 1000:.2f};start={start * 1000:.2f}".encode() for name, start, took in self._parts]
        others = []
        for field in fields:
            if field[0] == _NAME:
                said.append(field[1])
            else:
                others.append(field)
        others.append((_NAME, b", ".join(said)))
        return others


current_timing: ContextVar[Timing | None] = ContextVar("timing", default=None)
"""That of the request that is being served, if it is measured; whoever serves one sets it."""


def part(name: str) -> AbstractContextManager[None]:
    """Measure what is done inside as a part of the request that is being served; do nothing if that is not measured."""
    timing = current_timing.get()
    return _NOT_MEASURED if timing is None else timing.part(name)
