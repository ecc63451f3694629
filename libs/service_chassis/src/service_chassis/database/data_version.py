"""How a process notices what others have committed to a SQLite file: it asks for the file's version."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from typing import Final

import aiosqlite

POLL_SECONDS: Final = 0.04
"""How often the version is asked for, by whoever waits and by nobody else."""


class DataVersion:
    """The version of a database file, as one connection sees it. [sqlite.org/pragma.html#pragma_data_version]

    It is another than the same connection saw before whenever anyone else has committed, in this process or in another.
    """

    def __init__(self, connection: aiosqlite.Connection, *, look: float) -> None:
        self._connection = connection
        self._look = look
        self._seen: int | None = None

    async def wait(self) -> None:
        """Return once the version is another than at the last return, or when it is time to look anyway."""
        for _ in range(round(self._look / POLL_SECONDS)):
            version = await self._version()
            if version is not None and version != self._seen:
                self._seen = version
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _version(self) -> int | None:
        try:
            async with self._connection.execute("PRAGMA data_version") as cursor:
                row = await cursor.fetchone()
        except sqlite3.OperationalError:
            return None  # locked, or a disk that fails: whoever looks will be told what it is
        return None if row is None else int(row[0])


@contextlib.asynccontextmanager
async def data_version(file: str, *, patience: float, look: float) -> AsyncIterator[DataVersion]:
    """Watch a database file by a connection that does nothing else; `patience` as for all others."""
    async with aiosqlite.connect(file, timeout=patience) as connection:
        yield DataVersion(connection, look=look)
