"""Several processes on one database: what one of them alone may do is done once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from auth_service.attempts import Attempts, TooManyAttempts
from auth_service.database import metadata
from auth_service.signing_keys import SigningKeys
from service_chassis.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.postgresql_plugin import NewDatabase


@pytest.fixture
async def replicas(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[list[Database]]:
    """Give one migrated database as four processes have it."""
    url = new_database(tmp_path / "auth.db", "auth_service")
    replicas = [Database(url) for _ in range(4)]
    await replicas[0].migrate("auth_service")
    yield replicas
    for each in replicas:
        await each.close()


async def test_replicas_that_start_at_once_make_one_pair_of_keys(replicas: list[Database], tmp_path: Path) -> None:
    """Four that each found no key publish one and the same pair."""
    keys = [
        SigningKeys(each, key_encryption_key_file=tmp_path / "kek", bits=2048, clock=lambda: 1.8e9) for each in replicas
    ]
    await asyncio.gather(*(each.open() for each in keys))
    assert len({each.key_set.body for each in keys}) == 1
    async with replicas[0].reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM signing_keys"))).scalar() == 2


async def test_replicas_count_attempts_together_and_never_fail(replicas: list[Database]) -> None:
    """Of forty at once by one address, exactly as many pass as may; none meets a deadlock where a window ends."""
    clock = [1.8e9]
    attempts = [
        Attempts(each, per_account=1000, per_address=30, window=10, clock=lambda: clock[0]) for each in replicas
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
