"""SQLite: one file, one writer at a time, in WAL mode."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from service_chassis.database.changes import Changes
from service_chassis.database.data_version import data_version
from service_chassis.database.lookups import Lookup, Rows, SqliteLookups

# Primary result codes that speak of the machine or of other processes, not of our statements. [sqlite.org/rescode.html]
_PASSING_FAULTS = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip


class Sqlite:
    """What is SQLite's own about a database.

    `patience`: seconds that a writer waits for others, half for those in this process and half for other processes.
    """

    reads: Final = {"signet_writes": False}
    writes: Final = {"signet_writes": True}
    looks: Final = reads

    def __init__(self, url: URL, *, patience: float) -> None:
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._url = url
        self._patience = patience / 2
        self._turn = asyncio.Lock()
        self._lookups = SqliteLookups(Path(str(url.database)))

    def engine(self) -> AsyncEngine:
        """Return what hands out connections for requests."""
        return self._engine(self._patience)

    def migrating_engine(self, *, patience: float) -> AsyncEngine:
        """Return what hands out a connection for a migration, with a patience of its own."""
        return self._engine(patience)

    def look_up(self, lookup: Lookup, parameters: Mapping[str, object]) -> Rows | None:
        """Answer it at once, if that can be done."""
        return self._lookups.ask(lookup, parameters)

    def close(self) -> None:
        """Let go of what is not the engine's."""
        self._lookups.close()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the writers of this process that came earlier are done. Raises TimeoutError.

        SQLite itself waits by asking again after pauses that grow, and whoever comes in such a pause goes first.
        """
        async with asyncio.timeout(self._patience):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    async def check(self, connection: AsyncConnection) -> None:
        """Do nothing: every file of SQLite's is fit."""

    async def exclude(self, connection: AsyncConnection, name: str) -> None:
        """Do nothing: a transaction that writes excludes all others here."""

    async def announce(self, connection: AsyncConnection, channel: str) -> None:
        """Do nothing: the file's version says that there was a commit."""

    def watching(self, _: str, *, look: float) -> contextlib.AbstractAsyncContextManager[Changes]:
        """Watch the file's version."""
        return data_version(str(self._url.database), patience=self._patience, look=look)

    def passing_fault(self, error: BaseException, _: Connection | None = None) -> str | None:
        """Name a fault of the machine or of the moment; None for one of ours."""
        fault = error.orig if isinstance(error, DBAPIError) else error
        # The low byte is the primary code; what is above it refines it.
        passing = getattr(fault, "sqlite_errorcode", 0) & 0xFF in _PASSING_FAULTS
        return str(getattr(fault, "sqlite_errorname", "")) if passing else None

    def _engine(self, patience: float) -> AsyncEngine:
        # A statement's parameters are personal data: they stay out of error messages, and so out of logs.
        engine = create_async_engine(
            self._url, hide_parameters=True, pool_timeout=patience, connect_args={"timeout": patience}
        )
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
