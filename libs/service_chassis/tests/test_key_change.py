"""A change of the key-encryption key, on both databases, cut off at every step."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, LargeBinary, MetaData, String, Table, insert, select

from service_chassis.database import Database
from service_chassis.key_change import SealedColumn, change_key_encryption_key
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable

KEYS = Table(
    "some_keys", MetaData(), Column("kid", String(9), primary_key=True), Column("sealed_private_key", LargeBinary)
)
SECRETS = {"a": b"the secret of a", "b": b"the secret of b"}

# Run as a process of its own, which ends itself by SIGKILL when the step that it is told has been reached.
CUT_OFF = """
import asyncio, os, pathlib, signal, sys
from libs.service_chassis.tests.test_key_change import KEYS, change
from service_chassis.database import Database

url, file, step = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
seen = []

class Dying(Database):
    def writing(self, exclusive=None):
        seen.append("block")
        if step == "sealed anew" and seen.count("block") == 2:
            die()
        return super().writing(exclusive)

def label(kid):
    seen.append(kid)
    # Each kid is named once when it is opened, and once when it is sealed.
    if step == "opened" and seen.count("b") == 1 or step == "half sealed" and seen.count("b") == 2:
        die()
    return kid

asyncio.run(change(Dying(url), pathlib.Path(file), label))
"""


async def change(database: Database, file: Path, label: Callable[[str], str] = str) -> int:
    try:
        column = SealedColumn(KEYS.c.sealed_private_key, KEYS.c.kid, label)
        return await change_key_encryption_key(database, file, columns=[column], exclusive="keys")
    finally:
        await database.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "kek"


@pytest.fixture
async def database(database_url: str, file: Path) -> AsyncIterator[Database]:
    """Give a database with two sealed keys and one that was removed."""
    sealing = KeyEncryptionKey.make_or_read(file)
    database = Database(database_url)
    async with database.writing() as connection:
        await connection.run_sync(KEYS.create)
        for kid, secret in SECRETS.items():
            row = {"kid": kid, "sealed_private_key": sealing.seal(secret, label=kid)}
            await connection.execute(insert(KEYS).values(row))
        await connection.execute(insert(KEYS).values(kid="gone", sealed_private_key=None))
    yield database
    await database.close()


async def stored(database: Database) -> dict[str, bytes | None]:
    async with database.reading() as connection:
        return {row.kid: row.sealed_private_key for row in await connection.execute(select(KEYS))}


async def opened(database: Database, sealing: KeyEncryptionKey) -> dict[str, bytes]:
    """Open everything, as a service does that starts."""
    return {kid: sealing.open(sealed, label=kid) for kid, sealed in (await stored(database)).items() if sealed}


async def test_everything_is_sealed_anew(database: Database, database_url: str, file: Path) -> None:
    """The new file opens what the old one opened, the old one opens nothing, and the file is its owner's alone."""
    old, before = KeyEncryptionKey.read(file), file.read_bytes()
    assert await change(Database(database_url), file) == 2
    assert await opened(database, KeyEncryptionKey.read(file)) == SECRETS
    with pytest.raises(KeysUnusable):
        await opened(database, old)
    assert len(file.read_bytes()) == 32
    assert file.read_bytes() != before
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert (await stored(database))["gone"] is None


@pytest.mark.parametrize("step", ["opened", "half sealed", "sealed anew"])
async def test_cut_off_at_any_step_the_file_opens_everything(
    database: Database, database_url: str, file: Path, step: str
) -> None:
    """Killed before, in the middle of, and after the transaction: all keys open, and a second run ends the change."""
    before = await stored(database)
    root, arguments = Path(__file__).parents[3], ("-c", CUT_OFF, database_url, str(file), step)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=root, env={"PATH": os.defpath})
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    assert len(file.read_bytes()) == (32 if step == "opened" else 64)
    assert (await stored(database) != before) == (step == "sealed anew")
    assert await opened(database, KeyEncryptionKey.read(file)) == SECRETS
    new = file.read_bytes()[:32]
    # A server that has lost its client may take a moment to let go of what that one held.
    assert await change(Database(database_url, patience=10, statement_timeout=10), file) == 2
    assert await opened(database, KeyEncryptionKey.read(file)) == SECRETS
    assert len(file.read_bytes()) == 32
    assert (file.read_bytes() == new) == (step != "opened")
    assert list(file.parent.iterdir()) == [file]


async def test_two_changes_at_once_lose_nothing(database: Database, database_url: str, file: Path) -> None:
    """However four of them are interleaved, the file opens everything in the end."""
    changes = (change(Database(database_url, patience=10, statement_timeout=10), file) for _ in range(4))
    assert await asyncio.gather(*changes) == [2] * 4
    assert await opened(database, KeyEncryptionKey.read(file)) == SECRETS


async def test_what_is_sealed_meanwhile_opens_afterwards(database: Database, database_url: str, file: Path) -> None:
    """Whoever adds a key has read the file under the same lock: the change waits for it, and seals that one too."""
    async with database.writing(exclusive="keys") as connection:
        sealing = KeyEncryptionKey.read(file)
        changing = asyncio.create_task(change(Database(database_url, patience=10, statement_timeout=10), file))
        done, _ = await asyncio.wait([changing], timeout=2)
        assert not done, "it did not wait"
        row = {"kid": "new", "sealed_private_key": sealing.seal(b"the secret of new", label="new")}
        await connection.execute(insert(KEYS).values(row))
    assert await changing == 3
    assert await opened(database, KeyEncryptionKey.read(file)) == SECRETS | {"new": b"the secret of new"}


async def test_a_key_that_does_not_fit_changes_nothing(database: Database, database_url: str, file: Path) -> None:
    """With another installation's file, or none, it is refused; the file and the database stay as they are."""
    before = await stored(database)
    file.write_bytes(bytes(32))
    with pytest.raises(KeysUnusable, match="does not open"):
        await change(Database(database_url), file)
    assert file.read_bytes() == bytes(32)
    file.unlink()
    with pytest.raises(KeysUnusable, match="is not there"):
        await change(Database(database_url), file)
    assert list(file.parent.iterdir()) == []
    assert await stored(database) == before


async def test_where_there_are_no_keys_nothing_is_made(database: Database, database_url: str, file: Path) -> None:
    """Before a first start has sealed any there is nothing to change, and the file is left to that start."""
    before = file.read_bytes()
    async with database.writing() as connection:
        await connection.execute(KEYS.delete())
    with pytest.raises(KeysUnusable, match="nothing to change"):
        await change(Database(database_url), file)
    assert file.read_bytes() == before
