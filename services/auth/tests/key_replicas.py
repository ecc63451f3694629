"""Processes that keep one issuer's keys, with a clock that tests move, and keys for which nobody searches primes."""

from __future__ import annotations

import contextlib
import functools
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    generate_private_key,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from sqlalchemy import text

from auth_service.revocations import RevocationLog
from auth_service.signing_keys import KeyMaker, KeyTimes, KeyTransitions, SigningKeys
from service_chassis.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

TIMES = KeyTimes(max_age=300, max_token_life=600, leeway=5, rotate_every=86400)
"""The protocol's."""
START = 1_800_000_000.0


class Clock:
    """Seconds that stand still until they are moved: of the epoch and of the process alike."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@functools.cache
def _primes() -> tuple[int, ...]:
    pairs = [generate_private_key(65537, 2048).private_numbers() for _ in range(4)]
    return tuple(prime for pair in pairs for prime in (pair.p, pair.q))


def _made_of(p: int, q: int) -> RSAPrivateKey:
    # Keys that share a prime could be broken by whoever sees two of them: good enough for a test, and free.
    e, d = 65537, pow(65537, -1, (p - 1) * (q - 1))
    public = RSAPublicNumbers(e, p * q)
    numbers = RSAPrivateNumbers(p, q, d, rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@functools.cache
def ready_made() -> tuple[RSAPrivateKey, ...]:
    """Return 28 different keys."""
    return tuple(_made_of(p, q) for p, q in itertools.combinations(_primes(), 2))


class QuickMaker(KeyMaker):
    """Makes keys in no time; `made` counts them. All processes of one issuer share it, so that no key comes twice."""

    def __init__(self) -> None:
        super().__init__(2048)
        self._left: Iterator[RSAPrivateKey] = iter(ready_made())
        self.made = 0

    async def _make(self) -> RSAPrivateKey:
        self.made += 1
        return next(self._left)


@dataclass
class Replica:
    """One process's view of the keys, and its hands on them."""

    database: Database
    file: Path
    clock: Callable[[], float] = field(default_factory=Clock)
    maker: KeyMaker = field(default_factory=QuickMaker)
    times: KeyTimes = TIMES
    trust_for: float = 0.5
    monotonic: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        self.keys = SigningKeys(
            self.database,
            key_encryption_key_file=self.file,
            maker=self.maker,
            times=self.times,
            trust_for=self.trust_for,
            clock=self.clock,
            monotonic=self.monotonic or self.clock,
        )
        self.log = RevocationLog(self.database, remember_for=605, clock=self.clock)
        self.transitions = KeyTransitions(
            self.database,
            log=self.log,
            signing_keys=self.keys,
            maker=self.maker,
            key_encryption_key_file=self.file,
            times=self.times,
            clock=self.clock,
        )

    async def states(self) -> dict[str, str]:
        """Return the state of every key in the database."""
        records, _ = await self.transitions.all()
        return {record.kid: record.state for record in records}

    async def sealed(self) -> set[str]:
        """Return the ids of the keys whose private halves are still there."""
        async with self.database.reading() as connection:
            found = await connection.execute(text("SELECT kid FROM signing_keys WHERE sealed_private_key IS NOT NULL"))
            return set(found.scalars())

    async def revoked(self) -> list[tuple[int, str, int | None]]:
        """Return what the log of revocations says of keys: seq, kid and until."""
        async with self.database.reading() as connection:
            found = await connection.execute(text("SELECT seq, id, until FROM revocations WHERE kind = 'kid'"))
            return [(row.seq, row.id, row.until) for row in found]


@contextlib.asynccontextmanager
async def replicas(url: str, file: Path, number: int = 1, **how: object) -> AsyncIterator[list[Replica]]:
    """Open an issuer's keys in as many processes, each with a database pool of its own; the first one migrates."""
    clock, maker = how.pop("clock", None) or Clock(), how.pop("maker", None) or QuickMaker()
    made = [
        Replica(Database(url, patience=30, statement_timeout=30), file, clock, maker, **how)  # type: ignore[arg-type]
        for _ in range(number)
    ]
    try:
        await made[0].database.migrate("auth_service")
        for each in made:
            await each.keys.open()
        yield made
    finally:
        for each in made:
            await each.database.close()
