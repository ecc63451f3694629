"""Sessions in the database of the app: they outlive the process, and whoever opens the same file knows them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from service_chassis.database import Database, Lookup
from session_twin import database as tables
from session_twin.stores import Session

_COLUMNS = tables.sessions.c
_OF_KEY = Lookup(select(tables.sessions).where(_COLUMNS.key == bindparam("key")))


class DatabaseStore:
    """One row for each session. Every method raises StorageUnavailable when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """Do nothing: the database is opened by whoever made it."""

    async def add(self, key: str, session: Session) -> None:
        """Keep a new session, and forget those that are over."""
        async with self._database.writing() as connection:
            await connection.execute(delete(tables.sessions).where(_COLUMNS.ends <= session.began))
            await connection.execute(insert(tables.sessions).values(key=key, **asdict(session)))

    async def find(self, key: str) -> Session | None:
        """Return a session or None."""
        found = await self._database.look_up(_OF_KEY, key=key)
        return _session(found[0]) if found else None

    async def renew(self, key: str, session: Session) -> None:
        """Replace a session that is there."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(tables.sessions).where(_COLUMNS.key == key).values(used=session.used, ends=session.ends)
            )

    async def remove(self, key: str) -> None:
        """Forget a session."""
        async with self._database.writing() as connection:
            await connection.execute(delete(tables.sessions).where(_COLUMNS.key == key))

    async def of(self, subject: str) -> dict[str, Session]:
        """Return all sessions of a subject."""
        async with self._database.reading() as connection:
            found = await connection.execute(select(tables.sessions).where(_COLUMNS.subject == subject))
            return {row["key"]: _session(dict(row)) for row in found.mappings()}

    async def ready(self) -> str | None:
        """Answer None when the database answers, or a sentence."""
        return await self._database.ready()

    async def close(self) -> None:
        """Do nothing: the database is closed by whoever made it."""


def _session(row: Mapping[str, Any]) -> Session:
    values: dict[str, Any] = {name: row[name] for name in Session.__dataclass_fields__}
    return Session(**values)
