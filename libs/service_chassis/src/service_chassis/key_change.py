"""Changing a service's key-encryption key, whether it runs or not: whenever it is cut off, nothing is lost.

1. The file gets the new key before the old one. From now on it opens what either has sealed.
2. One transaction seals every private key anew, under the new one.
3. The file keeps the new key alone.

The first two happen under the lock that whoever seals a new private key holds too, and the third takes it once more:
nothing can be sealed under the old key after step 2. Ended in between, the file still opens everything; run again, the
command goes on with the new key that it finds.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Table, select, update
from sqlalchemy.exc import DBAPIError

from service_chassis.database import Database, StorageUnavailable
from service_chassis.logs import configure_logging
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable
from service_chassis.settings import SealedStorageSettings, read_settings

_log = structlog.get_logger()


async def change_key_encryption_key(
    database: Database, file: Path, *, table: Table, label: Callable[[str], str], exclusive: str
) -> int:
    """Seal every `sealed_private_key` of the table under a new key, which the file then holds; return how many.

    `label` says under which label the private key of a `kid` is sealed; `exclusive` is the name that whoever adds one
    writes under. Raises KeysUnusable, having changed nothing, or StorageUnavailable.
    """
    sealed = table.c.sealed_private_key
    async with database.writing(exclusive=exclusive) as connection:
        rows = list(await connection.execute(select(table.c.kid, sealed).where(sealed.is_not(None))))
        if not rows:
            # A first start may be about to seal some under the key that it has read already.
            raise KeysUnusable("There are no private keys in the database, and so nothing to change.")
        present = KeyEncryptionKey.read(file)
        opened = {kid: present.open(content, label=label(kid)) for kid, content in rows}
        both = KeyEncryptionKey.begin_change(file)
        for kid, private_key in opened.items():
            anew = both.seal(private_key, label=label(kid))
            await connection.execute(update(table).where(table.c.kid == kid).values({sealed.name: anew}))
    async with database.writing(exclusive=exclusive):
        KeyEncryptionKey.end_change(file)
    _log.info("key_encryption_key_changed", kids=list(opened))
    return len(opened)


def run(service: str, *, table: Table, label: Callable[[str], str], exclusive: str) -> None:
    """Be the command `change-key-encryption-key` of a service: exit status 1 and a sentence when it cannot be done."""
    settings = read_settings(SealedStorageSettings)
    configure_logging(service, settings.log_level)
    try:
        number = asyncio.run(_change(settings, table=table, label=label, exclusive=exclusive))
    except KeysUnusable as error:
        sys.exit(str(error))
    except StorageUnavailable:
        sys.exit("The database cannot be used just now. Both keys are kept: run this again.")
    except DBAPIError as error:
        sys.exit(f"The database cannot be used: {error.orig}.")
    except OSError as error:
        sys.exit(f"{error.filename or 'A file'}: {error.strerror}.")
    sys.stdout.write(f"{settings.key_encryption_key_file} is new. Private keys sealed under it: {number}.\n")


async def _change(settings: SealedStorageSettings, *, table: Table, label: Callable[[str], str], exclusive: str) -> int:
    database = Database.of(settings)
    try:
        return await change_key_encryption_key(
            database, settings.key_encryption_key_file, table=table, label=label, exclusive=exclusive
        )
    finally:
        await database.close()
