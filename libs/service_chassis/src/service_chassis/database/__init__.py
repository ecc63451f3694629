"""One service's own database, SQLite or PostgreSQL, by SQLAlchemy Core, with migrations applied at start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service_chassis.database.changes import LOOK_SECONDS, Changes
from service_chassis.database.faults import OutcomeUnknown, StorageUnavailable, UnfitDatabase
from service_chassis.database.lookups import Lookup, Rows
from service_chassis.database.migration import upgrade
from service_chassis.database.sqlite import Sqlite
from service_chassis.database_url import checked_database_url
from service_chassis.settings import DatabaseSettings

__all__ = ["Changes", "Database", "Lookup", "OutcomeUnknown", "StorageUnavailable", "UnfitDatabase"]

_log = structlog.get_logger()

BUSY_SECONDS = 2.0
"""How long a writer waits for others before it is told so: less than the gateway waits for an answer."""

MIGRATION_SECONDS = 60.0
"""How long a process waits at start for another that is migrating."""


class _Kind(Protocol):
    @property
    def reads(self) -> Mapping[str, Any]: ...
    @property
    def writes(self) -> Mapping[str, Any]: ...
    @property
    def looks(self) -> Mapping[str, Any]: ...
    def look_up(self, lookup: Lookup, parameters: Mapping[str, object], /) -> Rows | None: ...
    def close(self) -> None: ...
    def engine(self) -> AsyncEngine: ...
    def migrating_engine(self, *, patience: float) -> AsyncEngine: ...
    def turn(self) -> contextlib.AbstractAsyncContextManager[None]: ...
    async def check(self, connection: AsyncConnection) -> None: ...
    async def exclude(self, connection: AsyncConnection, name: str) -> None: ...
    async def announce(self, connection: AsyncConnection, channel: str) -> None: ...
    def watching(self, channel: str, *, look: float) -> contextlib.AbstractAsyncContextManager[Changes]: ...
    def passing_fault(self, error: BaseException, connection: Connection | None = None, /) -> str | None: ...


class Database:
    """A service's database, opened lazily.

    `url` is `sqlite+aiosqlite:////path/to/file.db` or `postgresql://user@host/database`; ValueError says what else it
    is. `reading` and `writing` hand out a connection inside a transaction. `patience` is how many seconds a statement
    waits for another process's lock. The rest is for PostgreSQL alone, and explained there.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: float = BUSY_SECONDS,
        password_file: Path | None = None,
        pool_size: int = 10,
        statement_timeout: float = 2.5,
    ) -> None:
        checked = make_url(checked_database_url(url))
        self._kind: _Kind
        if checked.get_backend_name() == "sqlite":
            self._kind = Sqlite(checked, patience=patience)
        else:
            from service_chassis.database.postgresql import Postgresql  # noqa: PLC0415 -- SQLite needs no driver of it

            self._kind = Postgresql(
                checked,
                password_file=password_file,
                pool_size=pool_size,
                patience=patience,
                statement_timeout=statement_timeout,
            )
        self._engine = self._watched(self._kind.engine())
        self._turn_patience = patience / 2
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def of(cls, settings: DatabaseSettings, *, patience: float = BUSY_SECONDS) -> Self:
        """Return the database that a process's settings name."""
        return cls(
            settings.database_url,
            patience=patience,
            password_file=settings.database_password_file,
            pool_size=settings.database_pool_size,
            statement_timeout=settings.database_statement_timeout,
        )

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees one state of the database. Raises StorageUnavailable."""
        async with self._transaction(self._engine, self._kind.reads) as connection:
            yield connection

    async def look_up(self, lookup: Lookup, **parameters: object) -> Rows:
        """Return the rows of one query, by the names of their columns. Raises StorageUnavailable.

        For what many requests ask: on SQLite it takes no thread, and on PostgreSQL one round trip where `reading` takes
        three.
        """
        rows = self._kind.look_up(lookup, parameters)
        if rows is not None:
            return rows
        async with self._transaction(self._engine, self._kind.looks) as connection:
            return [dict(row) for row in (await connection.execute(lookup.query, parameters)).mappings()]

    @contextlib.asynccontextmanager
    async def writing(self, exclusive: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose changes, all or none, are durable once the block ends. Raises StorageUnavailable.

        On SQLite it begins IMMEDIATE: nobody else writes meanwhile, so that a transaction that reads first can never
        fail half way. On PostgreSQL it is READ COMMITTED, and others write meanwhile: whoever reads and then writes
        what must still be true names it, and blocks of the same `exclusive` name run one after the other.

        Half of the patience is for others in this process.
        """
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._turn_patience):
                    if exclusive is not None:
                        # Before it holds anything that others need: however many wait under one name, they take no
                        # connection of PostgreSQL's pool, and one place among SQLite's writers.
                        await held.enter_async_context(self._turns.setdefault(exclusive, asyncio.Lock()))
                    await held.enter_async_context(self._kind.turn())
            except TimeoutError as error:
                raise _unavailable("no_turn_to_write") from error
            connection = await held.enter_async_context(self._transaction(self._engine, self._kind.writes))
            if exclusive is not None:
                await self._kind.exclude(connection, exclusive)
            yield connection

    async def announce(self, connection: AsyncConnection, channel: str) -> None:
        """Let all who watch the channel know of this transaction, once it is committed and not otherwise."""
        await self._kind.announce(connection, channel)

    def watching(self, channel: str, *, look: float = LOOK_SECONDS) -> contextlib.AbstractAsyncContextManager[Changes]:
        """Get to know what any process commits and announces, on a connection besides those of the pool.

        On SQLite it is whatever anyone commits, as nobody can say there what it is about. Every `look` seconds it is
        time to look anyway.
        """
        return self._kind.watching(channel, look=look)

    async def migrate(self, package: str) -> None:
        """Bring the schema up to the newest revision in `<package>/migrations`, in one transaction.

        Several processes may start at once: who waited for the lock finds nothing left to do. A process that is killed
        half way has changed nothing. Raises StorageUnavailable, UnfitDatabase.
        """
        engine = self._watched(self._kind.migrating_engine(patience=MIGRATION_SECONDS))
        try:
            async with self._transaction(engine, self._kind.writes) as connection:
                await self._kind.check(connection)
                await self._kind.exclude(connection, "migrations")
                await connection.run_sync(upgrade, package)
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
        self._kind.close()
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _transaction(self, engine: AsyncEngine, options: Mapping[str, Any]) -> AsyncIterator[AsyncConnection]:
        async with contextlib.AsyncExitStack() as held:
            try:
                connection = await held.enter_async_context(engine.connect())
            except PoolTimeoutError as error:
                raise _unavailable("no_free_connection") from error
            except (OSError, DBAPIError) as error:
                if (fault := self._kind.passing_fault(error)) is not None:
                    raise _unavailable(fault) from error
                raise
            await connection.execution_options(**options)
            async with connection.begin() as transaction:
                yield connection
                try:
                    await transaction.commit()
                except StorageUnavailable as error:
                    raise OutcomeUnknown from error

    def _watched(self, engine: AsyncEngine) -> AsyncEngine:
        # In the middle of a block, only what the engine itself met is the database's fault.
        event.listen(engine.sync_engine, "handle_error", self._tell_passing_faults)
        return engine

    def _tell_passing_faults(self, context: ExceptionContext) -> None:
        if not isinstance(context.original_exception, Exception):
            return  # whoever was cancelled has to hear just that, or goes on for ever
        fault = self._kind.passing_fault(context.original_exception, context.connection)
        if fault is not None or context.is_disconnect:
            raise _unavailable(fault or "connection_lost")


def _unavailable(fault: str) -> StorageUnavailable:
    _log.warning("storage_unavailable", fault=fault)
    return StorageUnavailable()
