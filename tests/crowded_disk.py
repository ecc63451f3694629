"""A disk that a test can fill up under a service's database, of either kind."""

from collections.abc import Iterator
from typing import Protocol

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from tests.postgresql_plugin import Databases
from tests.postgresql_server import SMALL_DISK

from service_chassis.database import Database


class CrowdedDisk(Protocol):
    """Where the database of one test lies, and anything else until nothing more fits."""

    def take(self, url: str) -> None:
        """Move a database there, before anyone uses it."""

    async def fill(self, database: Database) -> None:
        """Leave no room for a database that is in use."""

    def clear(self) -> None:
        """Give all of it back."""


class _Sqlite:
    """A bound on the file, which is the connection's: it goes when the service does."""

    def take(self, url: str) -> None:
        pass

    async def fill(self, database: Database) -> None:
        async with database.writing() as connection:
            await connection.execute(text("PRAGMA max_page_count = 1"))  # rounded up to what is in use

    def clear(self) -> None:
        pass


class _Postgresql:
    """A file system of 32 MiB that holds a tablespace, and a file that takes all the rest."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        databases.say(f"CREATE TABLESPACE crowded LOCATION '{SMALL_DISK}'")

    def take(self, url: str) -> None:
        self._databases.say(f"ALTER DATABASE {make_url(url).database} SET TABLESPACE crowded")

    async def fill(self, database: Database) -> None:
        async with database.reading() as connection:
            assert (await connection.execute(_WHERE)).scalar_one() == "crowded"
        with pytest.raises(DBAPIError, match="No space left on device"):
            self._write("SELECT repeat('x', 65536) FROM generate_series(1, 1024)")

    def clear(self) -> None:
        self._write("SELECT WHERE false")

    def _write(self, lines: str) -> None:
        self._databases.say(f"COPY ({lines}) TO '{SMALL_DISK}/everything_else'")


_WHERE = text(
    "SELECT spcname FROM pg_tablespace JOIN pg_database ON pg_tablespace.oid = dattablespace"
    " WHERE datname = current_database()"
)


@pytest.fixture(scope="session")
def _small_disk(postgresql: Databases) -> _Postgresql:
    if not postgresql.has_small_disk:
        pytest.skip("an installed server has no small disk to itself: only a container can be given one")
    return _Postgresql(postgresql)


@pytest.fixture
def crowded_disk(database_kind: str, request: pytest.FixtureRequest) -> Iterator[CrowdedDisk]:
    """Give a disk that a test can fill; afterwards it has room again."""
    disk: CrowdedDisk = _Sqlite() if database_kind == "sqlite" else request.getfixturevalue("_small_disk")
    yield disk
    disk.clear()
