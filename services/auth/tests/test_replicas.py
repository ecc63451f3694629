"""Several processes on one database: what one of them alone may do is done once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from services.auth.tests.key_replicas import QuickMaker, Replica
from sqlalchemy import Connection, inspect, text

from auth_service.attempts import Attempts, TooManyAttempts
from auth_service.database import metadata
from auth_service.first_administrator import AdministratorExists, create_first_administrator
from service_chassis.database import Database
from service_chassis.settings import DatabaseSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.postgresql_plugin import NewDatabase


@pytest.fixture
def url(new_database: NewDatabase, tmp_path: Path) -> str:
    """Give the URL of a database."""
    return new_database(tmp_path / "auth.db", "auth_service")


@pytest.fixture
async def replicas(url: str) -> AsyncIterator[list[Database]]:
    """Give that database, migrated, as four processes have it."""
    replicas = [Database(url, patience=30, statement_timeout=30) for _ in range(4)]
    await replicas[0].migrate("auth_service")
    yield replicas
    for each in replicas:
        await each.close()


@contextlib.asynccontextmanager
async def starting_line(database: Database, table: str) -> AsyncIterator[None]:
    """Let nobody write until four wait to, whatever each has read by then. On SQLite they queue up by themselves."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    closed = asyncio.Event()

    async def keep() -> None:
        async with database.writing() as connection, asyncio.timeout(30):
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"LOCK TABLE {table} IN SHARE MODE"))
                closed.set()
                while (await connection.execute(waiting)).scalar_one() < 4:  # noqa: ASYNC110 -- the server tells nobody
                    await asyncio.sleep(0.02)
        closed.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep())
        await closed.wait()
        yield


async def test_replicas_that_start_at_once_make_one_pair_of_keys(replicas: list[Database], tmp_path: Path) -> None:
    """Four that each found no key publish one and the same pair."""
    maker = QuickMaker()
    keys = [Replica(each, tmp_path / "kek", maker=maker).keys for each in replicas]
    async with starting_line(replicas[0], "signing_keys"):
        await asyncio.gather(*(each.open() for each in keys))
    assert len({each.key_set.body for each in keys}) == 1
    async with replicas[0].reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM signing_keys"))).scalar() == 2


async def test_of_several_first_administrators_at_once_one_is_made(replicas: list[Database], url: str) -> None:
    """The others are told that there is one already."""
    settings = DatabaseSettings.model_validate({"database_url": url})

    async def create(number: int) -> bool:
        with contextlib.suppress(AdministratorExists):
            email, password = f"root{number}@example.com", "correct horse battery"
            await create_first_administrator(settings, email=email, name="Root", password=password)
            return True
        return False

    async with starting_line(replicas[0], "accounts"):
        assert sorted(await asyncio.gather(*(create(number) for number in range(4)))) == [False, False, False, True]


async def test_replicas_count_attempts_together_and_never_fail(replicas: list[Database]) -> None:
    """Of forty at once by one address, exactly as many pass as may; none meets a deadlock where a window ends."""
    clock = [1.8e9]
    attempts = [
        Attempts(each, purpose="login", per_account=1000, per_address=30, window=10, clock=lambda: clock[0])
        for each in replicas
    ]

    async def attempt(number: int) -> bool:
        try:
            await attempts[number % 4].count(email=f"user{number % 7}@example.com", address="192.0.2.1")
        except TooManyAttempts:
            return False
        return True

    for _ in range(3):
        assert sum(await asyncio.gather(*(attempt(number) for number in range(40)))) == 30
        clock[0] += 10


async def test_replicas_that_count_the_same_never_wait_in_a_circle(replicas: list[Database]) -> None:
    """Thirty addresses that each replica hears of in another order are counted by all of them, and none gives up."""
    counting = [
        Attempts(each, purpose="login", per_account=99, per_address=99, window=600, clock=lambda: 1.8e9)
        for each in replicas
    ]
    for _ in range(3):
        await asyncio.gather(
            *(
                attempts.count(email=f"user{number}@example.com", address=f"192.0.2.{number}")
                for attempts, step in zip(counting, (1, 7, 11, 13), strict=True)
                for number in (step * (place + 1) % 31 for place in range(30))
            )
        )


async def test_the_schema_is_what_the_queries_see(replicas: list[Database]) -> None:
    """Migrations and tables agree, indices and constraints included."""

    def look(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        schema = inspect(connection)
        assert {check["name"] for check in schema.get_check_constraints("signing_keys")} == {"known_state"}
        (only_active,) = [index for index in schema.get_indexes("signing_keys") if index["name"] == "one_active_key"]
        assert only_active["unique"]

    async with replicas[0].reading() as connection:
        await connection.run_sync(look)
