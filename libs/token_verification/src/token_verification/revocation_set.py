"""What has been revoked, in memory: exact, quick to ask, and forgotten when its time is over."""

from collections.abc import Iterator
from typing import Final

from token_verification.revocation_answer import Kind, Revocation

_SHARDS: Final = 256  # a power of two
_STEP: Final = 2_000


class RevocationSet:
    """Logins, tokens and keys that count no more. It only grows by `add`, and shrinks by `forget` as time passes."""

    def __init__(self) -> None:
        self.logins = _Ids()
        self.tokens = _Ids()
        self.keys: set[str] = set()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self.logins) + len(self.tokens) + len(self.keys)

    def __iter__(self) -> Iterator[Revocation]:
        """Go through all that is remembered, in no order."""
        yield from (Revocation("kid", id_, None) for id_ in self.keys)
        yield from (Revocation("sid", id_, until) for id_, until in self.logins)
        yield from (Revocation("jti", id_, until) for id_, until in self.tokens)

    def add(self, kind: Kind, id_: str, until: int | None) -> None:
        """Remember one, at least until then: for ever if `until` is None."""
        if until is None:
            self.keys.add(id_)
        elif kind == "sid":
            self.logins.add(id_, until)
        else:
            self.tokens.add(id_, until)

    def forget(self, now: float) -> Iterator[None]:
        """Forget those whose time is over, looking at a few thousand at each step. It may be added to between two."""
        yield from self.logins.forget(now)
        yield from self.tokens.forget(now)


class _Ids:
    """Ids, each with its time.

    In many small dicts, since a dict that grows is copied, which for one of a million would hold everybody up. They
    map strings to numbers and no more, so the garbage collector need not walk through them.
    """

    def __init__(self) -> None:
        self._shards: list[dict[str, int]] = [{} for _ in range(_SHARDS)]
        self._last = 0

    def __contains__(self, id_: str) -> bool:
        return id_ in self._shards[hash(id_) & (_SHARDS - 1)]

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        for shard in self._shards:
            yield from shard.items()

    def add(self, id_: str, until: int) -> None:
        if until != self._last:
            self._last = until
        shard = self._shards[hash(id_) & (_SHARDS - 1)]
        if shard.get(id_, -1) < until:
            shard[id_] = self._last  # the same object for all that end together

    def forget(self, now: float) -> Iterator[None]:
        seen = 0
        for shard in self._shards:
            seen += len(shard)
            for id_ in [id_ for id_, until in shard.items() if until <= now]:
                del shard[id_]
            if seen >= _STEP:
                seen = 0
                yield
