"""The life of a signing key: pending → active → retiring → removed, and compromised from any of them.

Nothing here reads a clock or a database: what there is comes in, and what becomes of it goes out. `now` is in seconds
since the epoch. Every transition goes through `moved`, so that nobody, an administrator included, can make another.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from service_chassis.sealing import KeysUnusable


class KeyState(StrEnum):
    """Where a key stands in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    REMOVED = "removed"
    COMPROMISED = "compromised"


_ORDINARY: Final[Mapping[KeyState, KeyState]] = {
    KeyState.PENDING: KeyState.ACTIVE,
    KeyState.ACTIVE: KeyState.RETIRING,
    KeyState.RETIRING: KeyState.REMOVED,
}


@dataclass(frozen=True)
class KeyTimes:
    """What bounds a key's life, in seconds: all of it follows from these four."""

    max_age: float
    """How long a verifier may use a key set without asking again."""
    max_token_life: float
    """How long a token can be good that a key has signed, whatever was set when it did."""
    leeway: float
    rotate_every: float

    @property
    def pending_for(self) -> float:
        """How long a key is published before it signs: every cached key set is from after its publication by then.

        One max-age is what a verifier's copy may last, the other what a replica of ours may lag behind.
        """
        return 2 * self.max_age

    @property
    def retiring_for(self) -> float:
        """How long a key stays published once it signs no more: longer than anything that it has signed is good."""
        return self.max_token_life + self.leeway + self.max_age


@dataclass(frozen=True)
class KeyRecord:
    """One key's place in its life."""

    kid: str
    state: KeyState
    since: int
    held_until: int | None = None
    """When it can leave this state in the ordinary way, at the earliest: fixed as it enters it, by the durations of
    that time, since by those others have cached and signed."""


@dataclass(frozen=True)
class Forecast:
    """What becomes of a key by itself and when; `possible_at` is from when on it can be made to."""

    state: KeyState
    at: float
    possible_at: float


class IllegalTransition(Exception):  # noqa: N818 -- what was asked for
    """A key cannot become that; `possible_at` says from when on it can, if it is only too early."""

    def __init__(self, key: KeyRecord, to: KeyState, *, possible_at: int | None = None) -> None:
        super().__init__(f"{key.kid} is {key.state} and cannot become {to}{' yet' if possible_at else ''}")
        self.key = key
        self.to = to
        self.possible_at = possible_at


def published(kid: str, *, now: float, times: KeyTimes) -> KeyRecord:
    """Return a new key's record: pending."""
    return KeyRecord(kid, KeyState.PENDING, int(now), math.ceil(now + times.pending_for))


def first_pair(active: str, pending: str, *, now: float) -> tuple[KeyRecord, KeyRecord]:
    """Return the records of an issuer that has never published a key: both are usable at once.

    No cache of its key set exists anywhere that could lack them.
    """
    return KeyRecord(active, KeyState.ACTIVE, int(now)), KeyRecord(pending, KeyState.PENDING, int(now), int(now))


def moved(key: KeyRecord, to: KeyState, *, now: float, times: KeyTimes, emergency: bool = False) -> KeyRecord:
    """Return the key in another state. Raises IllegalTransition.

    In an emergency alone, when the key that signed is compromised, a pending key need not have been pending long.
    """
    if to is KeyState.COMPROMISED and key.state is not KeyState.COMPROMISED:
        return KeyRecord(key.kid, to, int(now))
    if _ORDINARY.get(key.state) is not to:
        raise IllegalTransition(key, to)
    hurried = emergency and to is KeyState.ACTIVE
    if key.held_until is not None and now < key.held_until and not hurried:
        raise IllegalTransition(key, to, possible_at=key.held_until)
    held_until = math.ceil(now + times.retiring_for) if to is KeyState.RETIRING else None
    return replace(key, state=to, since=int(now), held_until=held_until)


class KeyRing:
    """All keys of an issuer, and what becomes of them together. Raises KeysUnusable without one active key."""

    def __init__(self, keys: Iterable[KeyRecord], *, times: KeyTimes) -> None:
        self._keys = {key.kid: key for key in keys}
        self._times = times
        active = self._in(KeyState.ACTIVE)
        if len(active) != 1:
            raise KeysUnusable("The database holds signing keys, but no active one.")
        self.active: Final = active[0]
        self.pending: Final = next(iter(self._in(KeyState.PENDING)), None)

    def find(self, kid: str) -> KeyRecord | None:
        """Return the key of that id, whatever its state."""
        return self._keys.get(kid)

    def after(self, changes: Iterable[KeyRecord]) -> "KeyRing":
        """Return the ring once these records are the newest of their keys."""
        return KeyRing((self._keys | {key.kid: key for key in changes}).values(), times=self._times)

    def rotated(self, now: float) -> Sequence[KeyRecord]:
        """Return what changes when the pending key takes over. Raises IllegalTransition, KeysUnusable."""
        return [
            self._moved(self.active, KeyState.RETIRING, now),
            self._moved(self._successor(), KeyState.ACTIVE, now),
        ]

    def compromised(self, kid: str, now: float) -> Sequence[KeyRecord]:
        """Return what changes when that key counts no more. Raises KeyError, IllegalTransition, KeysUnusable."""
        changes = [self._moved(self._keys[kid], KeyState.COMPROMISED, now)]
        if kid == self.active.kid:
            changes.append(self._moved(self._successor(), KeyState.ACTIVE, now, emergency=True))
        return changes

    def lapsed(self, now: float) -> Sequence[KeyRecord]:
        """Return what changes by time alone: keys whose tokens have all ended go."""
        return [self._moved(key, KeyState.REMOVED, now) for key in self._in(KeyState.RETIRING) if self._free(key, now)]

    def forecast(self, key: KeyRecord) -> Forecast | None:
        """Return what is next for a key of this ring; None where nothing is, or nothing but an emergency."""
        following = _ORDINARY.get(key.state)
        if following is None:
            return None
        if key.state is KeyState.RETIRING:
            return Forecast(following, key.held_until or 0, key.held_until or 0)
        ripe_at = self.pending.held_until if self.pending else None
        return Forecast(following, self.rotation_due_at(), ripe_at or 0)

    def rotation_due_at(self) -> float:
        """Return when the schedule rotates: when the active key is old enough, and its successor too."""
        ripe = self.pending.held_until if self.pending else None
        return max(self.active.since + self._times.rotate_every, ripe or 0)

    def next_due_at(self) -> float:
        """Return when something becomes due; at once where no key stands ready."""
        if self.pending is None:
            return 0.0
        lapses = [key.held_until or 0 for key in self._in(KeyState.RETIRING)]
        return min([self.rotation_due_at(), *lapses])

    def _successor(self) -> KeyRecord:
        if self.pending is None:
            raise KeysUnusable("The database holds no pending signing key.")
        return self.pending

    def _moved(self, key: KeyRecord, to: KeyState, now: float, *, emergency: bool = False) -> KeyRecord:
        return moved(key, to, now=now, times=self._times, emergency=emergency)

    def _in(self, state: KeyState) -> list[KeyRecord]:
        return [key for key in self._keys.values() if key.state is state]

    @staticmethod
    def _free(key: KeyRecord, now: float) -> bool:
        return key.held_until is not None and now >= key.held_until
