"""One service's own database: SQLite by SQLAlchemy Core, with migrations applied at start."""

import contextlib
import importlib.resources
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import alembic.command
import alembic.config
import structlog
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from service_chassis.problems import Unavailable

_log = structlog.get_logger()

BUSY_SECONDS = 2.0
"""How long a writer waits for another before it is told that the database is locked."""

MIGRATION_SECONDS = 60.0
"""How long a process waits at start for another that is migrating."""

# Primary result codes that speak of the machine or of other processes, not of our statements. [sqlite.org/rescode.html]
_PASSING_FAULTS = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip


class StorageUnavailable(Unavailable):
    """The database is locked, full or out of reach: this request changed nothing, what was acknowledged is kept."""

    def __init__(self) -> None:
        super().__init__(
            "storage_unavailable", "The database cannot be used just now. Nothing was changed.", retry_after=1
        )


class Database:
    """A service's database, opened lazily by `url` (`sqlite+aiosqlite:////path/to/file.db`).

    `reading` and `writing` hand out a connection inside a transaction. On SQLite a writing one begins IMMEDIATE, so
    that a transaction that reads first can never fail half way because another wrote meanwhile. `patience` is how many
    seconds a statement waits for another process's lock.
    """

    def __init__(self, url: str, *, patience: float = BUSY_SECONDS) -> None:
        file = make_url(url).database
        if file:
            Path(file).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._url = url
        self._engine = _engine(url, patience=patience)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees one state of the database. Raises StorageUnavailable."""
        async with _passing_faults_are_unavailability(), self._engine.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose changes, all or none, are durable once the block ends. Raises StorageUnavailable."""
        async with _passing_faults_are_unavailability(), self._engine.connect() as connection:
            await connection.execution_options(**_WRITES)
            async with connection.begin():
                yield connection

    async def migrate(self, package: str) -> None:
        """Bring the schema up to the newest revision in `<package>/migrations`, in one transaction.

        Several processes may start at once: the transaction is the lock, and who waited finds nothing left to do.
        """
        engine = _engine(self._url, patience=MIGRATION_SECONDS)
        try:
            async with engine.connect() as connection:
                await connection.execution_options(**_WRITES)
                async with connection.begin():
                    await connection.run_sync(_upgrade, package)
        finally:
            await engine.dispose()

    async def ready(self) -> str | None:
        """Answer None when the database answers, or a sentence: a check for `/readyz`."""
        try:
            async with self.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except StorageUnavailable as error:
            return error.detail
        return None

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


_WRITES = {"signet_writes": True}


def _engine(url: str, *, patience: float) -> AsyncEngine:
    # A statement's parameters are personal data: they stay out of error messages, and so out of logs.
    engine = create_async_engine(url, hide_parameters=True, pool_timeout=patience, connect_args={"timeout": patience})
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_begin` does
    cursor = connection.cursor()
    # In WAL mode readers and the one writer do not wait for each other; FULL makes each commit survive a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(
        "BEGIN IMMEDIATE" if connection.get_execution_options().get("signet_writes") else "BEGIN"
    )


def _upgrade(connection: Connection, package: str) -> None:
    config = alembic.config.Config(attributes={"connection": connection})
    with contextlib.ExitStack() as stack:
        for option, owner in (("script_location", "service_chassis"), ("version_locations", package)):
            folder = importlib.resources.files(owner).joinpath("migrations")
            config.set_main_option(option, str(stack.enter_context(importlib.resources.as_file(folder))))
        config.set_main_option("path_separator", "newline")
        alembic.command.upgrade(config, "head")


@contextlib.asynccontextmanager
async def _passing_faults_are_unavailability() -> AsyncIterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise StorageUnavailable from error
    except DBAPIError as error:
        # The low byte is the primary code; what is above it refines it.
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in _PASSING_FAULTS:
            raise
        _log.warning("storage_unavailable", fault=getattr(error.orig, "sqlite_errorname", None))
        raise StorageUnavailable from error
