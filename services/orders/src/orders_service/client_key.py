"""The key by which orders proves to the issuer that it is orders: made at the first start, shared by all replicas."""

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import structlog
from sqlalchemy import Row, select, text

from orders_service.database import client_key
from service_chassis.conditional_requests import entity_tag
from service_chassis.database import Database
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable
from token_verification.client_assertion import ClientKey

_log = structlog.get_logger()


class OwnClientKey:
    """Orders' client key, which lies sealed in the database. Nothing is known before `open` has run."""

    def __init__(self, database: Database, *, key_encryption_key_file: Path, bits: Literal[2048, 3072]) -> None:
        self._database = database
        self._file = key_encryption_key_file
        self._bits = bits
        self._key: ClientKey | None = None
        self.key_set = b""
        """The public half as a JWK Set, as it is published. [RFC 7517 section 5]"""
        self.etag = ""
        """The strong entity tag of those bytes."""

    @property
    def key(self) -> ClientKey:
        """The key itself."""
        assert self._key is not None, "the client key is opened before anything is served"  # noqa: S101
        return self._key

    async def open(self) -> None:
        """Read the key; make it where there has never been one. Raises KeysUnusable, having made nothing."""
        row = await self._stored()
        if row is not None:
            sealing = KeyEncryptionKey.read(self._file)
        else:
            sealing = KeyEncryptionKey.make_or_read(self._file)
            row = await self._make(sealing)
        try:
            key = ClientKey.from_bytes(sealing.open(row.sealed_private_key, label=label(row.kid)))
        except ValueError:
            key = None
        if key is None or key.key_id != row.kid:
            raise KeysUnusable("The client key in the database is not the one it is stored as.")
        self._key = key
        self.key_set = json.dumps({"keys": [key.jwk]}, separators=(",", ":")).encode()
        self.etag = entity_tag(self.key_set)

    async def ready(self) -> str | None:
        """Answer None when the key is loaded, or a sentence: a check for `/readyz`."""
        return None if self._key else "The client key is not loaded."

    async def _stored(self) -> Row[Any] | None:
        async with self._database.reading() as connection:
            return (await connection.execute(select(client_key))).first()

    async def _make(self, sealing: KeyEncryptionKey) -> Row[Any]:
        # Finding primes takes longer than others should wait for the write lock.
        made = await asyncio.to_thread(ClientKey.make, self._bits)
        sealed = sealing.seal(made.to_bytes(), label=label(made.key_id))
        async with self._database.writing(exclusive="client_key") as connection:
            await connection.execute(_MAKE, {"kid": made.key_id, "sealed": sealed})
            stored = (await connection.execute(select(client_key))).one()
        if stored.kid == made.key_id:
            _log.info("client_key_made", kid=made.key_id)
        return stored


# One statement and one place: of replicas that start at once the first makes the key, and the others take it over.
_MAKE = text(
    "INSERT INTO client_key (place, kid, sealed_private_key) VALUES (1, :kid, :sealed) ON CONFLICT (place) DO NOTHING"
)


def label(kid: str) -> str:
    """Return the label under which the private key of that id is sealed."""
    # The label says what a sealed thing is, besides whose: a row moved to another place does not open there.
    return f"client key {kid}"
