"""What is PostgreSQL's own: a server, a network, and everything that can happen to the two."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import pytest
from libs.service_chassis.tests.wire import Wire, wire_to
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from tests.postgresql_plugin import Databases

from service_chassis.database import Database, OutcomeUnknown, StorageUnavailable, UnfitDatabase

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"])

INSERT = text("INSERT INTO parcels (note) VALUES ('more')")
CHANGE = text("UPDATE parcels SET note = 'changed' WHERE id = 1")
COUNT = text("SELECT count(*) FROM parcels")
ONE = text("SELECT 1")


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    async with wire_to(make_url(database_url).port or 0) as wire:
        yield wire


@pytest.fixture
async def database(database_url: str, wire: Wire) -> AsyncIterator[Database]:
    direct = Database(database_url)
    await direct.migrate("parcel_store")
    await direct.close()
    through = make_url(database_url).set(port=wire.port).render_as_string(hide_password=False)
    database = Database(through, patience=0.3, pool_size=2, statement_timeout=0.6)
    yield database
    await database.close()


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    """Another process on the same database, by a wire that never breaks."""
    other = Database(database_url)
    yield other
    await other.close()


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(COUNT)).scalar_one())


async def unavailable(database: Database, statement: str = "SELECT 1") -> float:
    """Say that this is answered by 503, and how many seconds that takes."""
    began = perf_counter()
    with pytest.raises(StorageUnavailable) as refused:
        async with database.writing() as connection:
            await connection.execute(text(statement))
    assert refused.value.status == 503
    return perf_counter() - began


async def test_a_lock_is_waited_for_and_not_for_ever(database: Database, other: Database, database_url: str) -> None:
    """503 after `patience`, long before the statement's time is over; readers go on; afterwards all is as before."""
    impatient = Database(database_url, patience=0.3, statement_timeout=30)
    async with other.writing() as connection:
        await connection.execute(CHANGE)
        assert 0.25 < await unavailable(impatient, str(CHANGE)) < 1.5
        await impatient.close()
        assert await count(database) == 1
    async with database.writing() as connection:
        await connection.execute(CHANGE)


async def test_a_name_is_waited_for_and_not_for_ever(database: Database, other: Database) -> None:
    """What is exclusive by another name does not wait; by the same name, it gets 503."""
    async with other.writing(exclusive="parcels"):
        async with database.writing(exclusive="stamps") as connection:
            await connection.execute(INSERT)
        with pytest.raises(StorageUnavailable):
            async with database.writing(exclusive="parcels"):
                pytest.fail("two hold one name")
    async with database.writing(exclusive="parcels") as connection:
        await connection.execute(INSERT)


async def test_a_statement_ends_in_time(database: Database) -> None:
    """503 after the statement timeout, by the server's word: the connection is used again."""

    async def server_process() -> int:
        async with database.reading() as connection:
            return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())

    before = await server_process()
    assert 0.5 < await unavailable(database, "SELECT pg_sleep(30)") < 1.5
    assert await server_process() == before


async def test_a_deadlock_is_unavailability(database: Database, database_url: str) -> None:
    """The server ends one of the two: that one gets 503, the other its way."""
    patient = [Database(database_url, patience=20, statement_timeout=20) for _ in range(2)]
    async with database.writing() as connection:
        await connection.execute(text("INSERT INTO parcels (id, note) VALUES (10, 'a'), (11, 'b')"))
    first_locked = asyncio.Barrier(2)

    async def lock(database: Database, first: int, second: int) -> str:
        try:
            async with database.writing() as connection:
                await connection.execute(text(f"UPDATE parcels SET note = 'x' WHERE id = {first}"))
                await first_locked.wait()
                await connection.execute(text(f"UPDATE parcels SET note = 'x' WHERE id = {second}"))
        except StorageUnavailable:
            return "503"
        return "done"

    assert sorted(await asyncio.gather(lock(patient[0], 10, 11), lock(patient[1], 11, 10))) == ["503", "done"]
    for each in patient:
        await each.close()


async def test_idle_connections_that_the_server_closed_cost_nothing(
    database: Database, postgresql: Databases, database_url: str
) -> None:
    """After a restart of the server, the first request finds that out by itself and is served."""
    async with database.reading() as one, database.reading() as two:
        for connection in (one, two):
            await connection.execute(ONE)
    name = make_url(database_url).database
    postgresql.say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await asyncio.sleep(0.1)  # until the news has come through the wire
    assert [await count(database) for _ in range(3)] == [1, 1, 1]


async def test_a_connection_lost_in_the_middle_costs_one_503(
    database: Database, postgresql: Databases, database_url: str
) -> None:
    """What the block had done is taken back, and the next block is served."""
    name = make_url(database_url).database
    with pytest.raises(StorageUnavailable):  # noqa: PT012 -- where in the block is what each of these tests is about
        async with database.writing() as connection:
            await connection.execute(INSERT)
            postgresql.say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            await connection.execute(INSERT)
    assert await count(database) == 1


async def test_a_server_that_is_gone_and_comes_back(database: Database, wire: Wire) -> None:
    """503 at once while nobody listens, also from readiness; served as soon as somebody does."""
    assert await database.ready() is None
    await wire.cut()
    for _ in range(3):
        assert await unavailable(database) < 1.5
    assert await database.ready() == "The database cannot be used just now. Nothing was changed."
    await wire.mend()
    assert await database.ready() is None
    assert await count(database) == 1


async def test_a_name_that_nobody_knows_is_unavailability(database: Database) -> None:
    """A host without an address: 503, as long as it has none."""
    nowhere = Database("postgresql://signet@postgres.invalid/signet", patience=2)
    await unavailable(nowhere)
    await nowhere.close()


async def test_a_network_that_falls_silent_costs_bounded_time(database: Database, wire: Wire) -> None:
    """In a block: the statement's time, once. At connecting: `patience`. Afterwards, all is well."""
    assert await database.ready() is None
    wire.fall_silent()
    assert 1.0 < await unavailable(database) < 2.0
    assert 0.2 < await unavailable(database) < 1.5
    wire.speak()
    assert await count(database) == 1


async def test_a_commit_without_an_answer_is_not_called_undone(database: Database, wire: Wire, other: Database) -> None:
    """When the connection breaks after COMMIT was sent, the answer does not say that nothing was changed."""
    with pytest.raises(OutcomeUnknown, match="not known"):  # noqa: PT012 -- same reason
        async with database.writing() as connection:
            await connection.execute(INSERT)
            wire.cut_at = b"COMMIT"
    assert await count(other) == 2  # here it was: the server had heard it
    assert await count(database) == 2


async def test_more_blocks_than_connections_wait_and_not_for_ever(database: Database) -> None:
    """A third block waits for one of the two connections, and gets 503 after `patience`."""
    async with database.reading() as one, database.reading() as two:
        for connection in (one, two):
            await connection.execute(ONE)
        assert 0.25 < await unavailable(database) < 1.5
    assert await count(database) == 1


async def test_a_block_that_hangs_loses_its_locks(database: Database, other: Database) -> None:
    """The server ends a transaction in which nothing happens for twice the statement timeout."""
    others_turn = False
    with pytest.raises(StorageUnavailable):  # noqa: PT012 -- same reason
        async with database.writing() as connection:
            await connection.execute(CHANGE)
            await asyncio.sleep(1.5)
            async with other.writing() as meanwhile:
                await meanwhile.execute(CHANGE)
            others_turn = True
            await connection.execute(ONE)
    assert others_turn
    assert await count(database) == 1


async def test_a_server_made_read_only_is_unavailable_to_writers(
    database: Database, postgresql: Databases, database_url: str
) -> None:
    """A standby, or a server that protects its full disk: 503 for writers, readers are served."""
    name = make_url(database_url).database
    postgresql.say(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await unavailable(database, str(INSERT.text))
    assert await count(database) == 1


async def test_a_reading_block_cannot_write(database: Database) -> None:
    """And that is a fault of ours, not a 503."""
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.reading() as connection:
            await connection.execute(INSERT)


async def test_a_password_lies_in_a_file_and_can_be_changed(
    database: Database, postgresql: Databases, database_url: str, tmp_path: Path
) -> None:
    """The file is read at each connection; a wrong password is told without saying it."""
    role, password, file = f"role_{secrets.token_hex(4)}", secrets.token_urlsafe(12), tmp_path / "password"
    postgresql.say(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    file.write_text("not the one\n")
    url = make_url(database_url).set(username=role, password=None).render_as_string()
    service = Database(url, password_file=file)
    try:
        with pytest.raises(DBAPIError) as refused:
            await service.ready()
        assert "not the one" not in str(refused.value)
        file.write_text(f"{password}\n")
        assert await service.ready() is None
    finally:
        await service.close()
        postgresql.say(f"DROP ROLE {role}")


async def test_a_database_that_counts_bytes_is_refused(database_kind: str, postgresql: Databases, stores: Path) -> None:
    """A name of a hundred characters would not fit everywhere: said at the start, and not to whoever has that name."""
    name = f"test_{secrets.token_hex(4)}"
    postgresql.say(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    bytewise = Database(postgresql.url(name))
    with pytest.raises(UnfitDatabase, match="SQL_ASCII"):
        await bytewise.migrate("parcel_store")
    await bytewise.close()
    postgresql.drop(name)


async def test_a_migration_waits_for_another(database: Database, other: Database) -> None:
    """While one process migrates, the next has not begun; it goes on when the first has ended."""
    async with database.writing(exclusive="migrations"):
        second = asyncio.create_task(other.migrate("parcel_store"))
        done, _ = await asyncio.wait([second], timeout=0.8)
        assert not done
    await second
