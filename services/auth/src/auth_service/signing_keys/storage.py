"""Signing keys in the database: one row each, for ever, with the private half as long as it may still sign."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.database import signing_keys
from auth_service.signing_keys.key_material import label, private_bytes, public_jwk
from auth_service.signing_keys.life_cycle import KeyRecord, KeyState
from service_chassis.sealing import KeyEncryptionKey

EXCLUSIVE: Final = "signing_keys"
"""The name under which every block that changes keys, or what they are sealed under, is written."""

_MAY_SIGN = (KeyState.PENDING, KeyState.ACTIVE)


@dataclass(frozen=True)
class StoredKey:
    """A row: the key's place in its life, its public half, and its private half under seal, if it is still there."""

    record: KeyRecord
    public_jwk: str
    sealed_private_key: bytes | None


async def read_living(connection: AsyncConnection) -> tuple[StoredKey, ...]:
    """Return every key but the removed ones. In this order the same set has the same bytes, and so the same tag."""
    found = await connection.execute(
        select(signing_keys)
        .where(signing_keys.c.state != KeyState.REMOVED)
        .order_by(signing_keys.c.state, signing_keys.c.kid)
    )
    return tuple(StoredKey(_record(row), row.public_jwk, row.sealed_private_key) for row in found)


async def read_records(connection: AsyncConnection) -> list[KeyRecord]:
    """Return every key's place in its life, the youngest first."""
    columns = (signing_keys.c.kid, signing_keys.c.state, signing_keys.c.state_since, signing_keys.c.held_until)
    order = (signing_keys.c.state_since.desc(), signing_keys.c.kid)
    return [_record(row) for row in await connection.execute(select(*columns).order_by(*order))]


async def add(connection: AsyncConnection, record: KeyRecord, key: RSAPrivateKey, sealing: KeyEncryptionKey) -> None:
    """Store a new key."""
    row = _columns(record) | {
        "kid": record.kid,
        "public_jwk": json.dumps(public_jwk(key)),
        "sealed_private_key": sealing.seal(private_bytes(key), label=label(record.kid)),
    }
    await connection.execute(insert(signing_keys).values(row))


async def change(connection: AsyncConnection, records: Iterable[KeyRecord]) -> None:
    """Store what has become of keys, in this order. A private half goes as soon as nothing may be signed with it."""
    for record in records:
        values = _columns(record)
        if record.state not in _MAY_SIGN:
            values["sealed_private_key"] = None
        await connection.execute(update(signing_keys).where(signing_keys.c.kid == record.kid).values(values))


def _columns(record: KeyRecord) -> dict[str, Any]:
    return {"state": record.state, "state_since": record.since, "held_until": record.held_until}


def _record(row: Row[*tuple[Any, ...]]) -> KeyRecord:
    return KeyRecord(row.kid, KeyState(row.state), row.state_since, row.held_until)
