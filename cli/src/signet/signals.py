"""Ctrl-C, SIGTERM and a closed terminal, as one exception that is raised once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody asked this process to end; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted at the first signal that asks to end, and ignore further ones: the end is under way."""
    before: dict[signal.Signals, Any] = {}

    def first(number: int, _: FrameType | None) -> None:
        for each in before:
            signal.signal(each, lambda *_: None)
        raise Interrupted(number)

    for each in ENDING:
        # nohup's wish counts. An ignored SIGINT is a shell's habit with background jobs, and no wish.
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:
            before[each] = signal.signal(each, first)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back the signals that ask to end until a clean-up is done.

    They are noted and sent again, not masked: a mask is one thread's, and another would take the signal meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's, and never disturb another
        return
    noted: list[int] = []
    before = {each: handler for each in ENDING if (handler := signal.getsignal(each)) is not None}
    for each in before:
        signal.signal(each, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in noted[:1]:
            signal.raise_signal(number)
