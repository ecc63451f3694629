"""What is SQLite's own."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from service_chassis.database import Database, StorageUnavailable

INSERT = text("INSERT INTO parcels (note) VALUES ('more')")
COUNT = text("SELECT count(*) FROM parcels")


@pytest.fixture
def file(tmp_path: Path, stores: Path) -> Path:
    return tmp_path / "data" / "parcels.db"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{file}", patience=0.05)
    await database.migrate("parcel_store")
    yield database
    await database.close()


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(COUNT)).scalar_one())


async def test_a_commit_survives_a_power_cut(database: Database) -> None:
    """WAL with synchronous=FULL (2), on the connections that write."""
    async with database.writing() as connection:
        assert (await connection.execute(text("PRAGMA journal_mode"))).scalar() == "wal"
        assert (await connection.execute(text("PRAGMA synchronous"))).scalar() == 2
        assert (await connection.execute(text("PRAGMA foreign_keys"))).scalar() == 1


async def test_two_that_read_before_they_write_both_succeed(database: Database, file: Path) -> None:
    """BEGIN IMMEDIATE lets the second wait; with a deferred BEGIN it would fail half way, its reading out of date."""

    async def raise_by_one(database: Database) -> None:
        async with database.writing() as connection:
            before = (await connection.execute(COUNT)).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(INSERT)
            assert (await connection.execute(COUNT)).scalar_one() == before + 1

    other = Database(f"sqlite+aiosqlite:///{file}", patience=5.0)
    await asyncio.gather(*(raise_by_one(each) for each in (other, other, other, other)))
    assert await count(other) == 5
    await other.close()


async def test_a_locked_database_is_unavailable_and_then_works_again(database: Database, file: Path) -> None:
    """503 with Retry-After while another holds the write lock; readers go on; afterwards everything is as before."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable) as refused:
        async with database.writing() as connection:
            await connection.execute(INSERT)
    assert refused.value.status == 503
    assert refused.value.headers == {"Retry-After": "1"}
    assert await count(database) == 1
    other.execute("ROLLBACK")
    other.close()
    async with database.writing() as connection:
        await connection.execute(INSERT)
    assert await count(database) == 2


async def test_a_full_disk_is_unavailable_and_loses_nothing(database: Database) -> None:
    """What was committed before is there afterwards, and writing works again once there is room."""
    async with database.writing() as connection:
        await connection.execute(INSERT)
        await connection.execute(text("PRAGMA max_page_count = 1"))  # rounded up to what is in use: nothing more fits
    big = text("INSERT INTO parcels (note) VALUES (hex(zeroblob(100000)))")
    with pytest.raises(StorageUnavailable):
        async with database.writing() as connection:
            await connection.execute(big)
    assert await count(database) == 2
    async with database.writing() as connection:
        await connection.execute(text("PRAGMA max_page_count = 1000000"))
        await connection.execute(big)
    assert await count(database) == 3


async def test_readiness_is_that_the_database_answers(database: Database, file: Path) -> None:
    """A database that cannot be opened is a sentence for `/readyz`."""
    assert await database.ready() is None
    await database.close()
    file.rename(file.with_suffix(".away"))
    file.mkdir()
    assert await database.ready() == "The database cannot be used just now. Nothing was changed."
    # The driver does not wait for the threads of connections that it could not open; the loop must outlive them.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 5)


def test_a_database_can_be_read_by_its_owner_alone(file: Path) -> None:
    """The folder is made with mode 0700."""
    Database(f"sqlite+aiosqlite:///{file}")
    assert file.parent.stat().st_mode & 0o777 == 0o700


async def test_the_writers_of_a_process_go_in_the_order_in_which_they_came(database: Database, file: Path) -> None:
    """Nobody overtakes, and so nobody starves: SQLite's own waiting would let newcomers in during its pauses."""
    other = Database(f"sqlite+aiosqlite:///{file}", patience=5.0)
    done = []

    async def write(number: int) -> None:
        async with other.writing() as connection:
            await connection.execute(INSERT)
            done.append(number)

    await asyncio.gather(*map(write, range(40)))
    await other.close()
    assert done == list(range(40))


async def test_a_writer_whose_turn_does_not_come_is_told_so(database: Database) -> None:
    """A block that takes too long costs the next writer 503 and not its own patience with the whole service."""
    async with database.writing():
        with pytest.raises(StorageUnavailable):
            async with database.writing():
                pytest.fail("two wrote at once")
