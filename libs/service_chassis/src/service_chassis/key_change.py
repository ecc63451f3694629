"""Changing a service's key-encryption key, whether it runs or not: whenever it is cut off, nothing is lost.

1. The file gets the new key before the old one. From now on it opens what either has sealed.
2. One transaction seals every secret anew, under the new one.
3. The file keeps the new key alone.

The first two happen under the lock that whoever seals a new secret holds too, and the third takes it once more:
nothing can be sealed under the old key after step 2. Ended in between, the file still opens everything; run again, the
command goes on with the new key that it finds.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Column, select, update
from sqlalchemy.exc import DBAPIError

from service_chassis.database import Database, StorageUnavailable
from service_chassis.logs import configure_logging
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable
from service_chassis.settings import SealedStorageSettings, read_settings

_log = structlog.get_logger()


@dataclass(frozen=True)
class SealedColumn:
    """Where secrets lie sealed: a column, and the primary key of its table, from which `label` tells their labels."""

    sealed: Column[Any]
    key: Column[Any]
    label: Callable[[Any], str]


async def change_key_encryption_key(
    database: Database, file: Path, *, columns: Sequence[SealedColumn], exclusive: str
) -> int:
    """Seal every secret in those columns under a new key, which the file then holds; return how many.

    `exclusive` is the name that whoever adds one writes under. Raises KeysUnusable, having changed nothing, or
    StorageUnavailable.
    """
    async with database.writing(exclusive=exclusive) as connection:
        rows = [
            (column, key, sealed)
            for column in columns
            for key, sealed in await connection.execute(
                select(column.key, column.sealed).where(column.sealed.is_not(None)).order_by(column.key)
            )
        ]
        if not rows:
            # A first start may be about to seal some under the key that it has read already.
            raise KeysUnusable("There are no private keys in the database, and so nothing to change.")
        present = KeyEncryptionKey.read(file)
        opened = [(column, key, present.open(sealed, label=column.label(key))) for column, key, sealed in rows]
        both = KeyEncryptionKey.begin_change(file)
        for column, key, secret in opened:
            anew = both.seal(secret, label=column.label(key))
            changed = update(column.sealed.table).where(column.key == key).values({column.sealed: anew})
            await connection.execute(changed)
    async with database.writing(exclusive=exclusive):
        KeyEncryptionKey.end_change(file)
    _log.info("key_encryption_key_changed", labels=[column.label(key) for column, key, _ in opened])
    return len(opened)


def run(service: str, *, columns: Sequence[SealedColumn], exclusive: str) -> None:
    """Be the command `change-key-encryption-key` of a service: exit status 1 and a sentence when it cannot be done."""
    settings = read_settings(SealedStorageSettings)
    configure_logging(service, settings.log_level)
    try:
        number = asyncio.run(_change(settings, columns=columns, exclusive=exclusive))
    except KeysUnusable as error:
        sys.exit(str(error))
    except StorageUnavailable:
        sys.exit("The database cannot be used just now. Both keys are kept: run this again.")
    except DBAPIError as error:
        sys.exit(f"The database cannot be used: {error.orig}.")
    except OSError as error:
        sys.exit(f"{error.filename or 'A file'}: {error.strerror}.")
    sys.stdout.write(f"{settings.key_encryption_key_file} is new. Secrets sealed under it: {number}.\n")


async def _change(settings: SealedStorageSettings, *, columns: Sequence[SealedColumn], exclusive: str) -> int:
    database = Database.of(settings)
    try:
        return await change_key_encryption_key(
            database, settings.key_encryption_key_file, columns=columns, exclusive=exclusive
        )
    finally:
        await database.close()
