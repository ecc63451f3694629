"""Queries that many requests ask: put into SQL once, answered by one statement, and by no thread."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.dialects import sqlite

Rows = list[dict[str, Any]]

_DIALECT: Final = sqlite.dialect(paramstyle="named")


class Lookup:
    """A query for few rows, found by an index, whose parameters are named by `bindparam`. Make it once."""

    def __init__(self, query: Select[Any]) -> None:
        self.query = query
        self.sql = str(query.compile(dialect=_DIALECT))
        self._columns = [
            (str(column.key), column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
            for column in query.selected_columns
        ]

    def read(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """Return a row of SQLite's by the names of its columns."""
        return {
            name: value if process is None else process(value)
            for (name, process), value in zip(self._columns, row, strict=True)
        }


class SqliteLookups:
    """Answers lookups on the event loop's own thread, by one connection that only reads.

    A look at a row that is in memory takes SQLite some microseconds; to hand it to another thread and back takes a
    hundred. Nobody is waited for: in WAL mode a reader waits for no writer, and where it would nevertheless have to,
    SQLite says so at once.
    """

    def __init__(self, file: Path) -> None:
        self._uri = f"{file.absolute().as_uri()}?mode=rw"
        self._connection: sqlite3.Connection | None = None

    def ask(self, lookup: Lookup, parameters: Mapping[str, object]) -> Rows | None:
        """Return the rows; None when it cannot be done this way, for whatever reason: the usual way will tell."""
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._uri, uri=True, timeout=0, isolation_level=None)
                self._connection.execute("PRAGMA query_only=ON")
            # All of them at once: a statement that is not at its end would hold on to an old state of the file.
            rows = self._connection.execute(lookup.sql, parameters).fetchall()
        except sqlite3.Error:
            self.close()
            return None
        return [lookup.read(row) for row in rows]

    def close(self) -> None:
        """Let go of the file; the next lookup opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
