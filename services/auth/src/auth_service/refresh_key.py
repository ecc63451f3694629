"""The key by which a refresh token's successor follows from it: made at the first start, shared by all replicas."""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

import structlog
from sqlalchemy import select, text

from auth_service.database import refresh_key
from auth_service.signing_keys import EXCLUSIVE
from service_chassis.database import Database
from service_chassis.sealing import KeyEncryptionKey

_log = structlog.get_logger()


class RefreshKey:
    """256 bits that lie sealed in the database. Nothing is known before `open` has run."""

    def __init__(self, database: Database, *, key_encryption_key_file: Path) -> None:
        self._database = database
        self._file = key_encryption_key_file
        self._key: bytes | None = None

    async def open(self) -> None:
        """Read the key; make it where there is none, under the file of the signing keys. Raises KeysUnusable."""
        sealed = await self._stored()
        if sealed is None:
            sealed = await self._make()
        self._key = KeyEncryptionKey.read(self._file).open(sealed, label=label(1))

    def successor(self, token: str) -> str:
        """Return the one refresh token that can follow this one: 256 bits that nobody without the key can foretell."""
        assert self._key is not None, "the key is opened before anything is served"  # noqa: S101
        return base64.urlsafe_b64encode(hmac.digest(self._key, token.encode(), hashlib.sha256)).rstrip(b"=").decode()

    async def _stored(self) -> bytes | None:
        async with self._database.reading() as connection:
            stored: bytes | None = (await connection.execute(select(refresh_key.c.sealed_key))).scalar()
        return stored

    async def _make(self) -> bytes:
        async with self._database.writing(exclusive=EXCLUSIVE) as connection:
            made = KeyEncryptionKey.read(self._file).seal(secrets.token_bytes(32), label=label(1))
            await connection.execute(_MAKE, {"sealed": made})
            stored: bytes = (await connection.execute(select(refresh_key.c.sealed_key))).scalar_one()
        if stored == made:
            _log.info("refresh_key_made")
        return stored


# One statement and one place: of replicas that start at once the first makes the key, and the others take it over.
_MAKE = text("INSERT INTO refresh_key (place, sealed_key) VALUES (1, :sealed) ON CONFLICT (place) DO NOTHING")


def label(place: int) -> str:
    """Return the label under which the key in a place is sealed."""
    return f"refresh key {place}"
