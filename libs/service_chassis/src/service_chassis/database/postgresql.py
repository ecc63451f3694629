"""PostgreSQL: by asyncpg, with a bound on everything that can wait."""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from service_chassis.database.changes import Changes
from service_chassis.database.faults import UnfitDatabase
from service_chassis.database.lookups import Lookup, Rows
from service_chassis.database.notifications import notifications

# SQLSTATEs, or the classes they begin with, that speak of the server or of other transactions, not of our statements.
# [PostgreSQL documentation, appendix A]
_PASSING_FAULTS = (
    "08",  # the connection
    "53",  # out of disk, memory or connections
    "57P0",  # shut down, crashed, starting up, database dropped
    "57014",  # statement timeout
    "55P03",  # lock timeout
    "40001",  # serialisation failure
    "40P01",  # deadlock
    "25P03",  # a transaction of ours stood idle for too long and was ended
)
_READ_ONLY = "25006"

_NOTIFY: Final = text("SELECT pg_notify(:channel, '')")
_LOCK: Final = text("SELECT pg_advisory_xact_lock(:key)")

ANSWER_SECONDS = 0.5
"""How much longer than a statement may take its answer is waited for, before the connection counts as broken."""


class Postgresql:
    """What is PostgreSQL's own about a database.

    Seconds: `patience` is how long a free connection, a new one, or another's lock is waited for;
    `statement_timeout` how long one statement may take. `password_file` is read for each new connection, so that a
    password can be changed while the service runs; without it, the URL's password counts.
    """

    reads: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    writes: Final = {"isolation_level": "READ COMMITTED", "postgresql_readonly": False}
    looks: Final = {"isolation_level": "AUTOCOMMIT", "postgresql_readonly": False}
    """One statement sees one state by itself: a BEGIN and a COMMIT around it would be two round trips for nothing."""

    def __init__(
        self, url: URL, *, password_file: Path | None, pool_size: int, patience: float, statement_timeout: float
    ) -> None:
        sslmode = url.query.get("sslmode", "prefer")
        self._url = url.set(query={})
        self._arguments: dict[str, Any] = {"ssl": sslmode}
        if password_file is not None:
            self._arguments["password"] = lambda: password_file.read_text().rstrip("\r\n")
        self._pool_size = pool_size
        self._patience = patience
        self._statement_timeout = statement_timeout

    def engine(self) -> AsyncEngine:
        """Return what hands out connections for requests: at most `pool_size`, kept open."""
        return self._engine(
            lock=self._patience,
            statement=self._statement_timeout,
            # Longer than a statement: only a process that hangs stands idle within a transaction.
            idle=2 * self._statement_timeout,
            pool_size=self._pool_size,
            # No overflow: what all processes may open together is a sum that an operator can do.
            max_overflow=0,
            pool_timeout=self._patience,
        )

    def migrating_engine(self, *, patience: float) -> AsyncEngine:
        """Return what hands out one connection for a migration, whose statements may take as long as they need."""
        # A process that is killed in the middle of a long statement leaves the server at work on it, and in possession
        # of its locks: unless the server looks, once a second, whether anyone is still there.
        return self._engine(lock=patience, settings={"client_connection_check_interval": "1s"}, poolclass=NullPool)

    def look_up(self, _: Lookup, __: Mapping[str, object]) -> Rows | None:
        """Answer nothing: the server has to be waited for."""
        return None

    def close(self) -> None:
        """Do nothing: all is the engine's."""

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Let everyone write at once."""
        return contextlib.nullcontext()

    async def check(self, connection: AsyncConnection) -> None:
        """Raise UnfitDatabase when text would be counted in bytes, or could not be written at all."""
        encoding = (await connection.execute(text("SHOW server_encoding"))).scalar_one()
        if encoding != "UTF8":
            raise UnfitDatabase(f"The database's encoding is {encoding}; make one with ENCODING 'UTF8'.")

    async def exclude(self, connection: AsyncConnection, name: str) -> None:
        """Wait until no other transaction holds this name, and hold it until this one ends."""
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        await connection.execute(_LOCK, {"key": key})

    async def announce(self, connection: AsyncConnection, channel: str) -> None:
        """Have the server say a word on the channel when the transaction is committed, and not otherwise."""
        await connection.execute(_NOTIFY, {"channel": channel})

    def watching(self, channel: str, *, look: float) -> contextlib.AbstractAsyncContextManager[Changes]:
        """Listen on the channel."""
        return notifications(self._connect, channel, look=look)

    async def _connect(self) -> Any:  # noqa: ANN401 -- the driver has no types
        where = self._url.translate_connect_args(username="user")
        return await asyncpg.connect(
            **where | self._arguments, timeout=self._patience, command_timeout=self._statement_timeout
        )

    def passing_fault(self, error: BaseException, connection: Connection | None = None) -> str | None:
        """Name a fault of the server, the network or the moment; None for one of ours."""
        if isinstance(error, OSError):  # no server there, or a name that nobody knows, or no answer in time
            return type(error).__name__
        fault = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(fault, "sqlstate", None)
        if state is None and getattr(error, "connection_invalidated", False):
            return "connection_lost"
        if state == _READ_ONLY and connection is not None:
            # Whoever asked to write met a standby, or a server made read-only. Who asked to read has no business here.
            return None if connection.get_execution_options().get("postgresql_readonly") else state
        return state if state is not None and state.startswith(_PASSING_FAULTS) else None

    def _engine(
        self,
        *,
        lock: float,
        statement: float | None = None,
        idle: float = 0,
        settings: dict[str, str] | None = None,
        **pool: Any,  # noqa: ANN401 -- as create_async_engine takes it
    ) -> AsyncEngine:
        server_settings = {
            "lock_timeout": _milliseconds(lock),
            "statement_timeout": _milliseconds(statement or 0),
            "idle_in_transaction_session_timeout": _milliseconds(idle),
            **(settings or {}),
        }
        engine = create_async_engine(
            self._url,
            hide_parameters=True,
            connect_args={
                **self._arguments,
                "timeout": self._patience,
                # The server's own timeout says nothing when the network swallows what it says.
                "command_timeout": None if statement is None else statement + ANSWER_SECONDS,
                "server_settings": server_settings,
            },
            **pool,
        )
        event.listen(engine.sync_engine, "checkout", _refuse_what_is_closed)
        event.listen(engine.sync_engine, "handle_error", _say_no_values)
        event.listen(engine.sync_engine, "handle_error", _give_up_what_does_not_answer)
        return engine


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _refuse_what_is_closed(connection: DBAPIConnection, _: ConnectionPoolEntry, __: object) -> None:
    # After the server was restarted, every connection in the pool is closed, and the driver knows it: asking it costs
    # nothing, where a ping would cost each request a round trip.
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def _give_up_what_does_not_answer(context: ExceptionContext) -> None:
    """Close a connection whose answer did not come in time: what comes on it later belongs to nobody."""
    if isinstance(context.original_exception, OSError) and context.connection is not None:
        driver_connection: Any = context.connection.connection.driver_connection
        driver_connection.terminate()  # at once: a polite farewell would wait for an answer too
        context.is_disconnect = True


def _say_no_values(context: ExceptionContext) -> None:
    """Take what was written out of an error: its detail, hint and message may repeat it, and logs hold errors."""
    fault: Any = context.original_exception
    state = getattr(fault, "sqlstate", None)
    driver_fault = getattr(fault, "orig", None)
    if context.sqlalchemy_exception is None or driver_fault is None:
        return
    what = type(driver_fault).__name__
    message = f"{what} ({state})"
    # Class 22 is about values, and so is a fault that the driver found before it asked the server.
    if state is not None and not state.startswith("22"):
        message = f"{message}: {driver_fault.args[0]}"
    for error in (fault, driver_fault):
        error.args = (message,)
        error.detail = error.hint = error.where = None
    context.sqlalchemy_exception.args = (f"({what}) {message}",)
