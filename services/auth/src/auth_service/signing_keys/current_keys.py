"""The signing keys as one process knows them, and how long it trusts what it knows.

Other processes change them too. So whoever signs asks here, and gets a key that was the active one not longer ago than
`trust_for`: otherwise the database is read first. Without the database nothing is signed, and nothing that is signed
could be made without it either.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from auth_service.signing_keys.key_material import KeyMaker, SigningKey, label, public_jwk, signing_key
from auth_service.signing_keys.life_cycle import KeyRing, KeyTimes, first_pair
from auth_service.signing_keys.published_keys import KeySetDocument, PublishedKeys
from auth_service.signing_keys.storage import EXCLUSIVE, StoredKey, add, read_living
from service_chassis.database import Database, StorageUnavailable
from service_chassis.problems import Unavailable
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable
from token_verification.key_set import VerificationKey

_log = structlog.get_logger()

_NEVER = float("-inf")


class KeysUnavailable(Unavailable):
    """This process cannot say for now which keys the issuer has."""

    def __init__(self, detail: str) -> None:
        super().__init__("keys_unavailable", detail, retry_after=1)


@dataclass(frozen=True)
class _View:
    stored: tuple[StoredKey, ...]
    ring: KeyRing
    able_to_sign: Mapping[str, SigningKey]
    sealed_up: str | None
    published: PublishedKeys


class SigningKeys:
    """The issuer's keys. Nothing is known before `open` has run.

    `trust_for`: seconds for which a process signs by what it has read; `clock` is seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        *,
        key_encryption_key_file: Path,
        maker: KeyMaker,
        times: KeyTimes,
        trust_for: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._file = key_encryption_key_file
        self._maker = maker
        self._times = times
        self._trust_for = trust_for
        # A replica that lags behind may hand out a key set that lacks a pending key. That key signs two max-ages after
        # its publication: one for the copies that verifiers keep, half of one for this, the rest for slow clocks.
        self._publish_for = times.max_age / 2
        self._clock = clock
        self._monotonic = monotonic
        self._view: _View | None = None
        self._read_at = _NEVER
        self._begun = self._succeeded = self._failed = 0
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Read the keys; where there has never been one, make the first pair. Raises KeysUnusable, having made nothing.

        Every key is opened now, so that one that cannot be is found at start and not at its promotion.
        """
        if await self._stored():
            KeyEncryptionKey.read(self._file)
        else:
            await self._make_first_pair()
        await self.look()
        if self._known.sealed_up:
            raise KeysUnusable(self._known.sealed_up)

    async def signer(self, *, within: float | None = None) -> SigningKey:
        """Return the one key that signs, as the database had it at some moment of the last `within` seconds.

        With 0 it is read now: whoever signs what they have read in the database asks so after reading it. Not within
        a transaction, which would wait for a second connection. Raises StorageUnavailable, KeysUnavailable.
        """
        await self.look(within=self._trust_for if within is None else within)
        view = self._known
        if view.ring.active.kid not in view.able_to_sign:
            raise KeysUnavailable("The key that signs cannot be opened here.")
        return view.able_to_sign[view.ring.active.kid]

    @property
    def key_set(self) -> KeySetDocument:
        """What verifiers fetch. Raises KeysUnavailable when it is too old to tell them that there is nothing else."""
        if self._age() > self._publish_for:
            raise KeysUnavailable("The key set has not been read for too long.")
        return self._known.published.document

    @property
    def ring(self) -> KeyRing:
        """All keys but the removed ones, as last read."""
        return self._known.ring

    def known(self, key_id: str) -> VerificationKey | None:
        """Return the published key of that id: the issuer verifies its own tokens, and never by a fetch."""
        return self._known.published.verification_keys.known(key_id)

    async def find(self, key_id: str) -> VerificationKey | None:
        """Return the published key of that id: what is not known here does not exist."""
        return self.known(key_id)

    async def ready(self) -> str | None:
        """Answer None when this process can sign and publish, or a sentence: a check for `/readyz`."""
        if self._view is None:
            return "The signing keys are not loaded."
        if self._age() > self._publish_for:
            return "The signing keys have not been read for too long."
        return self._view.sealed_up

    async def look(self, *, within: float = 0.0) -> None:
        """Read the keys, unless somebody has begun to within so many seconds. Raises StorageUnavailable.

        With 0, only what is begun from now on will do.
        """
        asked_after = self._begun
        if self._age() <= within > 0:
            return
        async with self._turn:
            # Whoever waited shares what was begun meanwhile, a failure as well, instead of a try of their own.
            if self._succeeded > asked_after or self._age() <= within > 0:
                return
            if self._failed > asked_after:
                raise StorageUnavailable
            self._begun += 1
            began = self._monotonic()
            try:
                self._view = await self._read()
            except StorageUnavailable:
                self._failed = self._begun
                raise
            self._succeeded, self._read_at = self._begun, began

    def _age(self) -> float:
        return self._monotonic() - self._read_at

    @property
    def _known(self) -> _View:
        assert self._view is not None, "signing keys are opened before anything is served"  # noqa: S101
        return self._view

    async def _stored(self) -> tuple[StoredKey, ...]:
        async with self._database.reading() as connection:
            return await read_living(connection)

    async def _read(self) -> _View:
        stored = await self._stored()
        if self._view and stored == self._view.stored and not self._view.sealed_up:
            return self._view
        view = self._seen(stored)
        if view.sealed_up:
            # Between reading the rows and the file, the key-encryption key may have been changed. Not twice.
            view = self._seen(await self._stored())
        if view.sealed_up:
            _log.error("signing_key_not_opened", sentence=view.sealed_up)
        return view

    def _seen(self, stored: tuple[StoredKey, ...]) -> _View:
        opened, sealed_up = self._opened(stored)
        return _View(
            stored=stored,
            ring=KeyRing((key.record for key in stored), times=self._times),
            able_to_sign=opened,
            sealed_up=sealed_up,
            published=PublishedKeys.of(stored),
        )

    def _opened(self, stored: tuple[StoredKey, ...]) -> tuple[dict[str, SigningKey], str | None]:
        """Open what has not been opened before; say in a sentence why something could not be."""
        before = self._view.able_to_sign if self._view else {}
        sealed = {key.record.kid: key.sealed_private_key for key in stored if key.sealed_private_key}
        opened = {kid: before[kid] for kid in sealed if kid in before}
        try:
            sealing = KeyEncryptionKey.read(self._file) if sealed.keys() - opened.keys() else None
            for kid, content in sealed.items():
                if sealing and kid not in opened:
                    opened[kid] = signing_key(kid, sealing.open(content, label=label(kid)))
        except KeysUnusable as fault:
            return opened, str(fault)
        return opened, None

    async def _make_first_pair(self) -> None:
        sealing = KeyEncryptionKey.make_or_read(self._file)
        # Finding primes takes longer than others should wait for the write lock.
        pair = [await self._maker.take() for _ in range(2)]
        kids = [public_jwk(key)["kid"] for key in pair]
        async with self._database.writing(exclusive=EXCLUSIVE) as connection:
            if await read_living(connection):
                return
            for record, key in zip(first_pair(*kids, now=self._clock()), pair, strict=True):
                await add(connection, record, key, sealing)
        _log.info("first_signing_keys_made", kids=kids)
