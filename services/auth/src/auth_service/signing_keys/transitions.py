"""What changes the signing keys: an administrator, or time. Each change is one transaction, and whole or not at all.

After every one of them there is one active key and one pending key, whichever process made it and wherever it ended.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import func, select

from auth_service.database import revocations
from auth_service.revocations import RevocationKind, RevocationLog
from auth_service.signing_keys.current_keys import SigningKeys
from auth_service.signing_keys.key_material import KeyMaker, public_jwk
from auth_service.signing_keys.life_cycle import (
    IllegalTransition,
    KeyRecord,
    KeyRing,
    KeyState,
    KeyTimes,
    published,
)
from auth_service.signing_keys.storage import EXCLUSIVE, add, change, read_records
from service_chassis.database import Database, StorageUnavailable
from service_chassis.problems import Problem
from service_chassis.sealing import KeyEncryptionKey

_log = structlog.get_logger()


class RotationTooEarly(Problem):
    """The pending key has not been published for long enough; `possible_at` is when it has, in seconds of the epoch."""

    def __init__(self, *, possible_at: int, now: float) -> None:
        moment = datetime.fromtimestamp(possible_at, UTC).isoformat().replace("+00:00", "Z")
        super().__init__(
            409,
            "rotation_too_early",
            f"A key is published before it signs, for long enough that every verifier has it: the next until {moment}.",
            headers={"Retry-After": str(max(1, math.ceil(possible_at - now)))},
            possible_at=moment,
        )


class UnknownKey(Problem):
    """There is no signing key of that id, and there never was."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "There is no signing key of that id.")


@dataclass(frozen=True)
class KeysChanged:
    """What signs now, what stands ready, how far the log of revocations is with it, and what became of which key."""

    active: str
    pending: str
    seq: int
    changes: Sequence[KeyRecord] = ()


Decide = Callable[[KeyRing, float], Sequence[KeyRecord]]
"""Says, given all keys and the time, what becomes of which. Raises IllegalTransition or KeyError."""


class KeyTransitions:
    """Rotates, compromises and removes keys. `clock` is seconds since the epoch."""

    def __init__(
        self,
        database: Database,
        *,
        log: RevocationLog,
        signing_keys: SigningKeys,
        maker: KeyMaker,
        key_encryption_key_file: Path,
        times: KeyTimes,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._log = log
        self._signing_keys = signing_keys
        self._maker = maker
        self._file = key_encryption_key_file
        self._times = times
        self._clock = clock

    async def all(self) -> tuple[Sequence[KeyRecord], KeyRing]:
        """Return every key there has ever been, the youngest state first, and all of them as a ring."""
        async with self._database.reading() as connection:
            records = await read_records(connection)
        return records, self._ring(records)

    async def rotate(self) -> KeysChanged:
        """Let the pending key sign from now on, and a new one stand ready. Raises RotationTooEarly.

        Of several at once, one rotates; what the others ask for by then is a second rotation, and too early.
        """
        try:
            _, ring = await self.all()
            ring.rotated(self._clock())  # before a key is made for nothing
            return await self._change(lambda ring, now: ring.rotated(now))
        except IllegalTransition as early:
            if early.possible_at is None:
                raise
            raise RotationTooEarly(possible_at=early.possible_at, now=self._clock()) from None

    async def compromise(self, kid: str) -> KeysChanged:
        """Let nobody believe in that key any more: the log of revocations says so from the commit on.

        If it is the one that signs, the pending one takes over, whether or not it was pending for long. Done again, it
        changes nothing and returns the same seq. Raises UnknownKey.
        """
        _, ring = await self.all()
        if (key := ring.find(kid)) is None:
            raise UnknownKey
        if key.state is not KeyState.COMPROMISED:
            with contextlib.suppress(IllegalTransition):  # somebody else was faster: nothing else is illegal here
                return await self._change(lambda ring, now: ring.compromised(kid, now))
        return await self._compromised_before(kid)

    async def advance(self) -> float:
        """Do whatever is due by time, and return when the next thing is. Of several processes, one does it."""
        await self._signing_keys.look()
        if self._signing_keys.ring.next_due_at() <= self._clock():
            await self._change(_due)
        return self._signing_keys.ring.next_due_at()

    async def _change(self, decide: Decide) -> KeysChanged:
        # Made before the transaction: a search for primes takes longer than others should wait for the write lock.
        new_key, unused = await self._maker.take(), True
        try:
            async with self._log.writing(exclusive=EXCLUSIVE) as connection:
                ring, now = self._ring(await read_records(connection)), self._clock()
                changes = decide(ring, now)
                await change(connection, changes)
                ring = ring.after(changes)
                if ring.pending is None:
                    unused = False
                    ready = published(public_jwk(new_key)["kid"], now=now, times=self._times)
                    # Read within the transaction: what is sealed here is sealed under the newest key there is.
                    await add(connection, ready, new_key, KeyEncryptionKey.read(self._file))
                    ring = ring.after([ready])
                revoked = [key.kid for key in changes if key.state is KeyState.COMPROMISED]
                seq = await self._log.append(connection, RevocationKind.KEY, revoked)
        finally:
            if unused:
                self._maker.give_back(new_key)
        changed = _told(ring, seq, changes)
        # What is committed is true, also when it cannot be read again just now; the next signature will.
        with contextlib.suppress(StorageUnavailable):
            await self._signing_keys.look()
        return changed

    async def _compromised_before(self, kid: str) -> KeysChanged:
        _, ring = await self.all()
        of_that_key = (revocations.c.kind == RevocationKind.KEY, revocations.c.id == kid)
        async with self._database.reading() as connection:
            seq = (await connection.execute(select(func.min(revocations.c.seq)).where(*of_that_key))).scalar_one()
        return _told(ring, seq, ())

    def _ring(self, records: Sequence[KeyRecord]) -> KeyRing:
        return KeyRing(records, times=self._times)


def _due(ring: KeyRing, now: float) -> Sequence[KeyRecord]:
    rotates = ring.pending is not None and ring.rotation_due_at() <= now
    return [*ring.lapsed(now), *(ring.rotated(now) if rotates else ())]


def _told(ring: KeyRing, seq: int, changes: Sequence[KeyRecord]) -> KeysChanged:
    pending = ring.pending.kid if ring.pending else ""
    for key in changes:
        _log.info("signing_key_changed", kid=key.kid, state=key.state, active=ring.active.kid, pending=pending, seq=seq)
    return KeysChanged(ring.active.kid, pending, seq, changes)
