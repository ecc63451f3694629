"""What one process commits, another that waits for it gets to know: on both kinds of database, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from libs.service_chassis.tests.wire import Wire, wire_to
from sqlalchemy import make_url, text
from tests.postgresql_plugin import Databases

from service_chassis.database import Changes, Database

INSERT = text("INSERT INTO parcels (note) VALUES ('more')")
CHANNEL = "parcels"
NEVER = 3600.0


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[Database]:
    """Another process, as far as the database can tell."""
    writer = Database(database_url)
    await writer.migrate("parcel_store")
    yield writer
    await writer.close()


@pytest.fixture
async def reader(writer: Database, database_url: str) -> AsyncIterator[Database]:
    reader = Database(database_url)
    yield reader
    await reader.close()


async def commit(writer: Database) -> None:
    async with writer.writing() as connection:
        await connection.execute(INSERT)
        await writer.announce(connection, CHANNEL)


async def told(changes: Changes, *, within: float = 30.0) -> bool:
    """Say whether a wait ends."""
    try:
        await asyncio.wait_for(changes.wait(), within)
    except TimeoutError:
        return False
    return True


async def quiet(changes: Changes) -> None:
    """Wait until there is nothing more to tell."""
    while await told(changes, within=0.3):
        pass


async def told_of_a_commit(changes: Changes, writer: Database) -> bool:
    """Commit while somebody waits, and say whether they get to know."""
    await quiet(changes)
    waiting = asyncio.create_task(told(changes))
    await asyncio.sleep(0.05)
    await commit(writer)
    return await waiting


async def test_a_commit_is_told(writer: Database, reader: Database) -> None:
    """Who waits is told of a commit by another process, once of several, also of what was committed meanwhile."""
    async with reader.watching(CHANNEL, look=NEVER) as changes:
        assert await told_of_a_commit(changes, writer)
        await quiet(changes)
        await commit(writer)
        await commit(writer)
        await asyncio.sleep(0.1)
        assert await told(changes)
        if await told(changes, within=0.2):  # the word of the second one took its time
            assert not await told(changes, within=0.2)


async def test_what_is_taken_back_is_not_told(writer: Database, reader: Database) -> None:
    """A word goes out with the commit, and not before it."""

    async def change_of_mind() -> None:
        async with writer.writing() as connection:
            await connection.execute(INSERT)
            await writer.announce(connection, CHANNEL)
            raise ZeroDivisionError

    async with reader.watching(CHANNEL, look=NEVER) as changes:
        await quiet(changes)
        with pytest.raises(ZeroDivisionError):
            await change_of_mind()
        assert not await told(changes, within=0.2)


async def test_silence_is_not_for_ever(reader: Database) -> None:
    """Nothing committed, nothing said: after a while it is time to look all the same."""
    async with reader.watching(CHANNEL, look=0.1) as changes:
        for _ in range(3):
            assert await told(changes)


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    async with wire_to(make_url(database_url).port or 0) as wire:
        yield wire


@pytest.fixture
async def by_wire(writer: Database, database_url: str, wire: Wire) -> AsyncIterator[Database]:
    through = make_url(database_url).set(port=wire.port).render_as_string(hide_password=False)
    database = Database(through, patience=0.5)
    yield database
    await database.close()


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_listener_that_the_server_ends_listens_again(
    reader: Database, writer: Database, postgresql: Databases, database_url: str
) -> None:
    """A lost connection is made anew, which counts as a word, and the next commit is told as ever."""
    async with reader.watching(CHANNEL, look=NEVER) as changes:
        await quiet(changes)
        postgresql.say(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{make_url(database_url).database}' AND query LIKE 'LISTEN%'"
        )
        assert await told(changes)
        assert await told_of_a_commit(changes, writer)


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_server_that_is_away_is_looked_for_until_it_is_back(
    by_wire: Database, writer: Database, wire: Wire
) -> None:
    """While nobody answers it is time to look all the same; afterwards commits are told as ever."""
    async with by_wire.watching(CHANNEL, look=0.5) as changes:
        await wire.cut()
        await commit(writer)
        assert await told(changes)
        assert await told(changes)
        await wire.mend()
    async with by_wire.watching(CHANNEL, look=NEVER) as changes:
        assert await told_of_a_commit(changes, writer)


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_network_that_swallows_everything_is_found_out(by_wire: Database, writer: Database, wire: Wire) -> None:
    """A connection that died without a word is found dead, and replaced."""
    async with by_wire.watching(CHANNEL, look=0.2) as changes:
        await told(changes)
        before = wire.accepted
        wire.fall_silent()
        async with asyncio.timeout(30):
            while wire.accepted == before:
                await changes.wait()
