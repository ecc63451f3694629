"""What every database promises, whichever it is."""

import asyncio
import json
import logging
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, bindparam, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from service_chassis.database import Database, Lookup, StorageUnavailable
from service_chassis.logs import configure_logging

INSERT = text("INSERT INTO parcels (note) VALUES ('more')")
COUNT = text("SELECT count(*) FROM parcels")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, patience=5.0)
    await database.migrate("parcel_store")
    yield database
    await database.close()


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(COUNT)).scalar_one())


PARCELS = Table("parcels", MetaData(), Column("id", Integer), Column("note", String), Column("inside", JSON))
OF_ID = Lookup(select(PARCELS.c.id, PARCELS.c.note).where(PARCELS.c.id == bindparam("wanted")))


async def test_a_lookup_sees_what_anyone_has_committed(database: Database, database_url: str) -> None:
    """Its rows are those of this moment, by the names of their columns, whichever process wrote them."""
    other = Database(database_url)
    for number in (7, 8):
        assert await database.look_up(OF_ID, wanted=number) == []
        async with other.writing() as connection:
            await connection.execute(text(f"INSERT INTO parcels (id, note) VALUES ({number}, 'by {number}')"))
            assert await database.look_up(OF_ID, wanted=number) == []
        assert await database.look_up(OF_ID, wanted=number) == [{"id": number, "note": f"by {number}"}]
    await other.close()
    await database.close()
    assert await database.look_up(OF_ID, wanted=7) == [{"id": 7, "note": "by 7"}]


async def test_a_lookup_reads_every_type_as_a_reading_block_does(database: Database) -> None:
    """What the driver gives as text, such as JSON, is made what it stands for."""
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE parcels ADD COLUMN inside JSON"))
        await connection.execute(PARCELS.insert().values(id=9, note="typed", inside={"a": [1, None, "ü"]}))
    wanted = select(PARCELS).where(PARCELS.c.id == bindparam("wanted"))
    async with database.reading() as connection:
        [row] = (await connection.execute(wanted, {"wanted": 9})).mappings()
    assert await database.look_up(Lookup(wanted), wanted=9) == [dict(row)]


async def test_a_lookup_changes_nothing_and_tells_its_faults_apart(database: Database, database_url: str) -> None:
    """A wrong statement is an error of ours; a database out of reach is unavailable, and then comes back."""
    nowhere = Table("nowhere", MetaData(), Column("id", Integer))
    with pytest.raises(DBAPIError, match=r"no such table|does not exist"):
        await database.look_up(Lookup(select(nowhere)))
    assert [row["id"] for row in await database.look_up(OF_ID, wanted=1)] == [1]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_lookup_takes_no_thread_and_waits_for_no_writer(database: Database, database_url: str) -> None:
    """On SQLite it is answered where it is asked; where that cannot be, it is asked in the usual way."""
    file = Path(database_url.partition("///")[2])
    threads = threading.active_count()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert len(await database.look_up(OF_ID, wanted=1)) == 1
    assert threading.active_count() <= threads
    other.execute("ROLLBACK")
    other.close()
    await database.close()
    file.rename(file.with_suffix(".away"))
    file.mkdir()
    with pytest.raises(StorageUnavailable):
        await database.look_up(OF_ID, wanted=1)
    file.rmdir()
    file.with_suffix(".away").rename(file)
    assert len(await database.look_up(OF_ID, wanted=1)) == 1


async def test_an_error_inside_the_block_takes_everything_back(database: Database) -> None:
    """All of a writing block, or none of it."""

    async def fail_after_writing() -> None:
        async with database.writing() as connection:
            await connection.execute(INSERT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_writing()
    assert await count(database) == 1


async def test_what_is_written_is_there_for_everyone(database: Database, database_url: str) -> None:
    """Once the block has ended, another process sees it."""
    async with database.writing() as connection:
        await connection.execute(INSERT)
    other = Database(database_url)
    assert await count(other) == 2
    await other.close()


async def test_a_reading_block_sees_one_state(database: Database) -> None:
    """What others commit meanwhile is not seen, so that two queries of one answer fit together."""
    async with database.reading() as connection:
        before = (await connection.execute(COUNT)).scalar_one()
        async with database.writing() as other:
            await other.execute(INSERT)
        assert (await connection.execute(COUNT)).scalar_one() == before
    assert await count(database) == before + 1


async def test_those_who_read_before_they_write_do_not_pass_each_other(database: Database) -> None:
    """Blocks that are exclusive by the same name run one after the other, and none fails."""

    async def raise_by_one() -> None:
        async with database.writing(exclusive="parcels") as connection:
            before = (await connection.execute(COUNT)).scalar_one()
            await asyncio.sleep(0.01)
            await connection.execute(text(f"INSERT INTO parcels (id, note) VALUES ({before + 100}, 'exclusive')"))

    await asyncio.gather(*(raise_by_one() for _ in range(8)))
    assert await count(database) == 9


async def test_an_insert_that_meets_another_leaves_the_block_usable(database: Database) -> None:
    """A unique violation is an IntegrityError, on which a caller can decide."""
    with pytest.raises(IntegrityError):
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO parcels (id, note) VALUES (1, 'again')"))
    assert await count(database) == 1


async def test_who_is_cancelled_in_a_statement_hears_that_and_of_no_fault(database: Database) -> None:
    """A task that tries again after a fault of the database ends when it is told to, and the database is as before."""
    long = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT max(i) FROM n"
    )

    async def ask() -> None:
        async with database.reading() as connection:
            await connection.execute(long)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.1)
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await count(database) == 1


async def test_a_wrong_statement_is_not_mistaken_for_a_busy_database(database: Database) -> None:
    """A fault of ours is an error, not a 503 that invites a retry."""
    with pytest.raises(DBAPIError, match=r"no such table|does not exist"):
        async with database.reading() as connection:
            await connection.execute(text("SELECT * FROM nowhere"))


SECRET = {"secret": "alice@example.com"}  # a trace shows lines of source: there it must not stand
FAULTS = (
    ("sqlite", "SELECT * FROM nowhere WHERE x = :secret"),
    ("sqlite", "INSERT INTO parcels (note) VALUES (:secret)"),  # there already
    ("postgresql", "SELECT * FROM nowhere WHERE x = :secret"),
    ("postgresql", "INSERT INTO parcels (note) VALUES (:secret)"),  # its detail names the key
    ("postgresql", "SELECT CAST(CAST(:secret AS text) AS integer)"),  # the server's message repeats it
    ("postgresql", "SELECT * FROM parcels WHERE id = :secret"),  # the driver's does
)


@pytest.mark.parametrize(("database_kind", "statement"), FAULTS)
async def test_neither_an_error_nor_a_log_names_what_was_written(
    database: Database, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Personal data stays out of errors, their causes and their traces, and so out of logs."""
    async with database.writing() as connection:
        await connection.execute(text("CREATE UNIQUE INDEX one_of_each ON parcels (note)"))
        await connection.execute(text("INSERT INTO parcels (note) VALUES (:secret)"), SECRET)
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    configure_logging("chassis", "DEBUG")
    try:
        try:
            async with database.writing() as connection:
                await connection.execute(text(statement), SECRET)
        except DBAPIError as error:
            told = str(error)
            logging.getLogger("test").exception("request_failed")
        else:
            pytest.fail("this was to fail")
    finally:
        logging.getLogger().handlers = handlers
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    assert "alice" not in told
    logged = capsys.readouterr().err
    assert json.loads(logged.splitlines()[-1])["event"] == "request_failed"
    assert "alice" not in logged


PROGRAM = """
import asyncio, sys
from service_chassis.database import Database
async def main():
    database = Database(sys.argv[1])
    await database.migrate(sys.argv[2])
    await database.close()
    if "alembic" in sys.modules and "lean" in sys.argv:
        sys.exit("Alembic is here.")
asyncio.run(main())
"""


async def migrating(url: str, stores: Path, package: str, *more: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, url, package, *more),
        env={"PYTHONPATH": str(stores), **environment},
        stderr=asyncio.subprocess.PIPE,
    )


async def test_processes_that_start_at_once_migrate_once(database_url: str, stores: Path) -> None:
    """Four processes on a database with nothing in it all start, and the first parcel is sent once."""
    processes = [await migrating(database_url, stores, "parcel_store") for _ in range(4)]
    outcomes = [((await process.communicate())[1], process.returncode) for process in processes]
    assert outcomes == [(b"", 0)] * 4
    database = Database(database_url)
    assert await count(database) == 1
    await database.close()


@pytest.mark.usefixtures("database")
async def test_a_process_that_finds_the_newest_schema_does_without_alembic(database_url: str, stores: Path) -> None:
    """Alembic takes ten megabytes, in every worker: it is loaded where there is something to migrate."""
    lean = await migrating(database_url, stores, "parcel_store", "lean")
    assert (await lean.communicate())[1] == b""


async def test_a_migration_killed_half_way_leaves_nothing_and_the_next_one_is_whole(
    database_url: str, stores: Path, tmp_path: Path
) -> None:
    """Also when the server itself was at work on a statement that takes a minute: its lock goes with the process."""
    half_way = tmp_path / "half-way"
    killed = await migrating(database_url, stores, "slow_store", STOP_HALF_WAY=str(half_way))
    async with asyncio.timeout(20):
        while not half_way.exists():
            assert killed.returncode is None, await killed.communicate()
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # into the slow step
        killed.kill()
        assert await killed.wait() == -signal.SIGKILL
        next_one = await migrating(database_url, stores, "slow_store")
        assert (await next_one.communicate())[1] == b""
    database = Database(database_url)
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT page FROM ledger ORDER BY page"))).scalars().all() == [1, 2]
    await database.close()


async def test_however_many_wait_under_one_name_others_go_on(database_url: str) -> None:
    """Of one name's blocks one at a time asks for what all need: a connection, or the turn to write."""
    database, another_process = Database(database_url, patience=20, pool_size=2), Database(database_url)
    await database.migrate("parcel_store")
    done: list[str] = []

    async def write(name: str) -> None:
        async with database.writing(exclusive=name) as connection:
            await connection.execute(INSERT)
        done.append(name)

    async with another_process.writing(exclusive="many"):
        tasks = [asyncio.create_task(write(name)) for name in ["many"] * 8 + ["one"]]
        await asyncio.sleep(0.1)
    await asyncio.gather(*tasks)
    assert done.index("one") <= 1
    await another_process.close()
    await database.close()
