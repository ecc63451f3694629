"""A database that cannot be written: 503, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event, text

from service_chassis.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.auth.tests.conftest import Auth, Start

REGISTRATION = {"email": "new@example.com", "password": "correct horse battery", "name": "New"}


async def test_a_locked_database_is_503_and_then_forgotten(auth: Auth, database_kind: str) -> None:
    """While another holds the write lock, writes get 503 with Retry-After and reads go on; then all is well."""
    await auth.register()
    other = Database.of(auth.settings)
    async with other.writing() as connection:
        if database_kind == "postgresql":
            await connection.execute(text("LOCK TABLE accounts, attempts IN EXCLUSIVE MODE"))
        for refused in await asyncio.gather(auth.client.post("/register", json=REGISTRATION), auth.log_in()):
            assert (refused.status_code, refused.json()["reason"]) == (503, "storage_unavailable")
            assert refused.headers["retry-after"] == "1"
        assert auth.hasher.verified == []  # no password is looked at that could not be counted
        assert (await auth.client.get("/.well-known/jwks.json")).status_code == 200
        assert (await auth.client.get("/readyz")).status_code == 200
    await other.close()
    assert (await auth.client.post("/register", json=REGISTRATION)).status_code == 201
    assert (await auth.log_in()).status_code == 200


@pytest.fixture
def small_disk(grown_up: Path) -> Iterator[None]:
    """Let every database opened meanwhile grow by a few pages and no more."""
    with closing(sqlite3.connect(grown_up / "data" / "auth.db")) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()

    def limit(connection: Any, _: object) -> None:  # noqa: ANN401 -- a driver's connection
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={pages + 2}")
        cursor.close()

    event.listen(Engine, "connect", limit)
    yield
    event.remove(Engine, "connect", limit)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_full_disk_is_503_and_loses_nobody(
    small_disk: None, start: Start, grown_up: Path, tmp_path: Path
) -> None:
    """Registrations go on until the disk is full, then get 503; everyone who got 201 is there, and nobody else."""
    shutil.copytree(grown_up, tmp_path, dirs_exist_ok=True)
    acknowledged, refused = set(), set()
    async with start(attempts_per_address=1000) as auth:
        for number in range(200):
            email = f"user{number}@example.com"
            answer = await auth.client.post("/register", json=REGISTRATION | {"email": email, "name": "N" * 100})
            if answer.status_code == 201:
                acknowledged.add(email)
            else:
                assert (answer.status_code, answer.json()["reason"]) == (503, "storage_unavailable")
                refused.add(email)
        assert acknowledged
        assert refused
        assert (await auth.client.get("/.well-known/jwks.json")).status_code == 200
    with closing(sqlite3.connect(tmp_path / "data" / "auth.db")) as connection:
        assert {email for (email,) in connection.execute("SELECT email FROM accounts")} == acknowledged


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_registration_is_whole_or_not_at_all(auth: Auth, tmp_path: Path) -> None:
    """Whatever fails after the account is written takes the account with it: a second try is not told it is taken."""
    with closing(sqlite3.connect(tmp_path / "data" / "auth.db", isolation_level=None)) as connection:
        connection.execute(
            "CREATE TRIGGER fault AFTER INSERT ON accounts BEGIN SELECT RAISE(ABORT, 'a fault of our making'); END"
        )
        failed = await auth.client.post("/register", json=REGISTRATION)
        assert (failed.status_code, failed.json()["reason"]) == (500, "internal_error")
        assert "fault" not in failed.text
        connection.execute("DROP TRIGGER fault")
    assert (await auth.client.post("/register", json=REGISTRATION)).status_code == 201
