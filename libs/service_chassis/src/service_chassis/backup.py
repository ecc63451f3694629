"""`python -m service_chassis.backup`: copy a service's SQLite database while it runs, and put a copy back.

Both go by standard streams, so that the container whose database it is needs no place for them. `DATABASE_URL` says
which database. PostgreSQL has pg_dump and pg_restore of its own.
"""

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import make_url

from service_chassis.database_url import checked_database_url
from service_chassis.settings import DatabaseSettings, read_settings

PATIENCE_SECONDS = 30.0
"""How long another process's lock is waited for."""


class UnfitCopy(Exception):  # noqa: N818 -- what was found, for the person who keeps the copies
    """What should be put back is no copy of a service's database; the message says why."""


def take(database: Path, copy: BinaryIO) -> None:
    """Write one state of the database, checked: all that was committed before this was called is in it.

    Raises FileNotFoundError, UnfitCopy when the database itself is damaged, sqlite3.Error, OSError.
    """
    if not database.exists():
        raise FileNotFoundError(2, "there is no such database", str(database))
    with _beside(database) as file:
        # In one step it is one snapshot, and in WAL mode nobody who writes meanwhile has to wait for it.
        _copy(database, file)
        _check(file)
        with file.open("rb") as content:
            shutil.copyfileobj(content, copy)


def put_back(copy: BinaryIO, database: Path) -> None:
    """Make the database what the copy is: wholly, in one transaction of SQLite's own, or not at all.

    Raises UnfitCopy, having touched nothing, sqlite3.Error, OSError.
    """
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _beside(database) as file:
        with file.open("wb") as content:
            shutil.copyfileobj(copy, content)
        _check(file)
        # Not by renaming: the old database's log would be taken for the new one's.
        _copy(file, database)


def main() -> None:
    """Exit status: 0 done, 1 refused with a sentence, 2 wrong usage or settings."""
    parser = argparse.ArgumentParser(
        prog="python -m service_chassis.backup",
        description="Write a copy of the SQLite database that DATABASE_URL names to standard output.",
    )
    parser.add_argument("--restore", action="store_true", help="put back a copy that is read from standard input")
    restore = parser.parse_args().restore
    url = make_url(checked_database_url(read_settings(DatabaseSettings).database_url))
    if url.get_backend_name() != "sqlite":
        sys.exit("DATABASE_URL: this is PostgreSQL, which is copied with pg_dump and put back with pg_restore.")
    if (sys.stdin if restore else sys.stdout).isatty():
        parser.error("a copy is read from a file, as in `--restore <FILE`" if restore else "send the copy to a >FILE")
    database = Path(str(url.database))
    os.umask(0o077)
    try:
        if restore:
            put_back(sys.stdin.buffer, database)
        else:
            take(database, sys.stdout.buffer)
            sys.stdout.flush()
    except (UnfitCopy, sqlite3.Error) as error:
        sys.exit(f"{database}: {error}.")
    except OSError as error:
        sys.exit(f"{error.filename or 'A file'}: {error.strerror}.")


@contextmanager
def _beside(database: Path) -> Iterator[Path]:
    """Give a place for a file on the database's own disk: what is mounted as /tmp may be memory."""
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=f".{database.name}-") as folder:
        yield Path(folder) / "copy"


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source, timeout=PATIENCE_SECONDS)) as reading,
        closing(sqlite3.connect(target, timeout=PATIENCE_SECONDS)) as writing,
    ):
        reading.backup(writing)


def _check(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        faults = [fault for (fault,) in connection.execute("PRAGMA integrity_check(1)")]
        if faults != ["ok"]:
            raise UnfitCopy(f"the copy is damaged: {faults[0]}")
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone():
            raise UnfitCopy("the copy is none of a service's database")


if __name__ == "__main__":
    main()
