"""Every store's tests, on SQLite and on PostgreSQL: whatever asks for `new_database` runs on each that can be had.

POSTGRES=required makes it a failure that no server can be had, POSTGRES=off leaves it out.
"""

import asyncio
import functools
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.postgresql_server import Server, running_server, why_no_server

from service_chassis.database import Database

WISH = os.environ.get("POSTGRES", "")  # noqa: TID251 -- the tests' own one setting, read once

_EMPTY = "template0 ENCODING 'UTF8' LOCALE 'C'"

Preparation = Callable[[str], Awaitable[None]]
"""Makes of an empty database what a test begins with; it is given the URL."""


on_one_database = pytest.mark.parametrize("database_kind", ["sqlite"])
"""For a claim about what is decided before anything is asked of a database, in as many cases as it has."""


class NewDatabase(Protocol):
    """Gives the URL of a database that no other test uses.

    On SQLite that is `file`, which is not there yet. On PostgreSQL it is a copy of the database that `prepare` has made
    something of once for all tests that name the same `template`: by default, the newest schema of the package of that
    name. Without a template it is empty.
    """

    def __call__(self, file: Path, template: str | None = None, *, prepare: Preparation | None = None) -> str: ...


@functools.cache
def why_not_postgresql() -> str | None:
    """Return None when the tests run on PostgreSQL too, or why not."""
    return "POSTGRES=off leaves it out" if WISH == "off" else why_no_server()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run whatever asks for `database_kind` on each kind, unless the test itself says on which."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "database_kind" in metafunc.fixturenames and all("database_kind" not in mark.args[0] for mark in marks):
        kinds = ["sqlite"] if why_not_postgresql() else ["sqlite", "postgresql"]
        metafunc.parametrize("database_kind", kinds)


def pytest_collection_modifyitems() -> None:
    """Raise UsageError when POSTGRES asks for what cannot be."""
    if WISH not in {"", "required", "off"}:
        raise pytest.UsageError(f"POSTGRES is {WISH!r}; it can be required, off, or unset.")
    if WISH == "required" and (lack := why_not_postgresql()):
        raise pytest.UsageError(f"POSTGRES=required asks for a server, but {lack}.")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not run."""
    if lack := why_not_postgresql():
        terminalreporter.write_line(f"PostgreSQL was not run: {lack}.", yellow=True)


class Databases:
    """The databases of one server: made, copied and dropped on a thread of their own, whatever loop a test runs."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.Runner()
        self._thread = ThreadPoolExecutor(1)
        self._engine = create_async_engine(
            server.url("postgres").replace("postgresql", "postgresql+asyncpg", 1), isolation_level="AUTOCOMMIT"
        )
        self._templates: dict[str, str] = {}

    def new(self, template: str | None = None, prepare: Preparation | None = None) -> str:
        """Return the name of a new database."""
        if template is None:
            return self._create(_EMPTY)
        if template not in self._templates:
            name = self._create(_EMPTY)
            self._run((prepare or _migration(template))(self.url(name)))
            self._templates[template] = name
        return self._create(self._templates[template])

    @property
    def has_small_disk(self) -> bool:
        return self._server.has_small_disk

    def url(self, name: str) -> str:
        return self._server.url(name)

    def drop(self, name: str) -> None:
        self.say(f"DROP DATABASE {name} WITH (FORCE)")

    def say(self, statement: str) -> None:
        """Run one statement as the superuser, outside of any transaction and any test's database."""

        async def saying() -> None:
            async with self._engine.connect() as connection:
                await connection.execute(text(statement))

        self._run(saying())

    def close(self) -> None:
        self._run(self._engine.dispose())
        self._thread.submit(self._loop.close).result()
        self._thread.shutdown()

    def _create(self, template: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        self.say(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _run(self, awaitable: Awaitable[None]) -> None:
        async def main() -> None:
            await awaitable

        self._thread.submit(self._loop.run, main()).result()


def _migration(package: str) -> Callable[[str], Coroutine[Any, Any, None]]:
    async def migrate(url: str) -> None:
        database = Database(url)
        await database.migrate(package)
        await database.close()

    return migrate


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Databases]:
    """Run a server for all tests that ask for one."""
    if lack := why_not_postgresql():
        pytest.skip(f"PostgreSQL was not run: {lack}")
    with running_server() as server:
        databases = Databases(server)
        yield databases
        databases.close()


@pytest.fixture
def new_database(database_kind: str, request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """Make databases, and drop them when the test has ended."""
    made: list[str] = []

    def new(file: Path, template: str | None = None, *, prepare: Preparation | None = None) -> str:
        if database_kind == "sqlite":
            return f"sqlite+aiosqlite:///{file}"
        databases: Databases = request.getfixturevalue("postgresql")
        made.append(databases.new(template, prepare))
        return databases.url(made[-1])

    yield new
    for name in made:
        request.getfixturevalue("postgresql").drop(name)
