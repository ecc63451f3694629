"""What has been revoked, in memory: exact, quick to ask, and forgotten when its time is over."""

import itertools
from collections.abc import Iterator
from typing import Final

from token_verification.revocation_answer import Kind, Revocation

_MOST_WINDOWS: Final = 16


class RevocationSet:
    """Logins, tokens and keys that count no more. It only grows by `add`, and shrinks by `prune` as time passes."""

    def __init__(self, *, window: int = 64) -> None:
        """`window`: seconds by which something may be remembered longer than it has to be."""
        self.logins = _Windows(window)
        self.tokens = _Windows(window)
        self.keys: set[str] = set()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self.logins) + len(self.tokens) + len(self.keys)

    def __iter__(self) -> Iterator[Revocation]:
        """Go through all that is remembered, in no order; a time is never earlier than it was added with."""
        yield from (Revocation("kid", id_, None) for id_ in self.keys)
        yield from (Revocation("sid", id_, until) for id_, until in self.logins)
        yield from (Revocation("jti", id_, until) for id_, until in self.tokens)

    def add(self, kind: Kind, id_: str, until: int | None) -> None:
        """Remember one: for ever if `until` is None."""
        if until is None:
            self.keys.add(id_)
        elif kind == "sid":
            self.logins.add(id_, until)
        else:
            self.tokens.add(id_, until)

    def prune(self, now: float, *, at_most: int) -> bool:
        """Forget some of those whose time is over, and tell whether there may be more of them."""
        return self.logins.prune(now, at_most) or self.tokens.prune(now, at_most)


class _Windows:
    """Ids, kept together with those whose time is over at about the same moment.

    Plain dicts of strings: the garbage collector need not walk through a million of them, as it would through sets or
    lists. There are never more than a few, so that asking costs the same however much is in them.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._windows: dict[int, dict[str, None]] = {}

    def __contains__(self, id_: str) -> bool:
        for window in self._windows.values():  # noqa: SIM110 -- a generator would cost as much again
            if id_ in window:
                return True
        return False

    def __len__(self) -> int:
        return sum(map(len, self._windows.values()))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        for place, window in self._windows.items():
            yield from zip(window, itertools.repeat((place + 1) * self._width - 1))

    def add(self, id_: str, until: int) -> None:
        window = self._windows.get(until // self._width)
        if window is None:
            window = self._windows[until // self._width] = {}
        window[id_] = None
        while len(self._windows) > _MOST_WINDOWS:
            self._widen()

    def prune(self, now: float, at_most: int) -> bool:
        for place in [place for place in self._windows if (place + 1) * self._width <= now]:
            window = self._windows[place]
            for _ in range(min(at_most, len(window))):
                window.popitem()
            if window:
                return True
            del self._windows[place]
        return False

    def _widen(self) -> None:
        narrow, self._windows, self._width = self._windows, {}, self._width * 2
        for place, window in narrow.items():
            self._windows.setdefault(place // 2, {}).update(window)
