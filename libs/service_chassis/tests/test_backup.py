"""Copies of a SQLite database: taken while others write, put back wholly or not at all."""

import io
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service_chassis.backup import UnfitCopy, put_back, take


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Give a database that a process has open, as a service's would be."""
    file = tmp_path / "data" / "parcels.db"
    file.parent.mkdir()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE parcels (id INTEGER PRIMARY KEY, note TEXT)")
        connection.execute("INSERT INTO parcels (note) VALUES ('first')")
        yield file


def copy_of(database: Path) -> bytes:
    copy = io.BytesIO()
    take(database, copy)
    return copy.getvalue()


def notes(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [note for (note,) in connection.execute("SELECT note FROM parcels ORDER BY id")]


def test_what_was_committed_is_in_the_copy_though_it_is_in_the_log_alone(database: Path, tmp_path: Path) -> None:
    """A copy of the file would miss what SQLite still keeps beside it; nothing is left behind in its folder."""
    (tmp_path / "copy.db").write_bytes(copy_of(database))
    assert notes(tmp_path / "copy.db") == ["first"]
    assert {file.name for file in database.parent.iterdir()} <= {"parcels.db", "parcels.db-wal", "parcels.db-shm"}


def test_copies_under_load_are_whole(database: Path, tmp_path: Path) -> None:
    """While another connection writes without pause, each copy is sound and has all that was committed before it."""
    committed, ended = [0], threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as connection:
            while not ended.is_set():
                connection.execute("INSERT INTO parcels (note) VALUES (?)", ("more" * 200,))
                committed[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(10):
            before = committed[0]
            file = tmp_path / f"{number}.db"
            file.write_bytes(copy_of(database))
            assert len(notes(file)) > before
    finally:
        ended.set()
        writer.join()
    assert committed[0] > 10


def test_a_copy_is_put_back_under_a_process_that_has_the_database_open(database: Path) -> None:
    """What was there since is gone, what was there then is back, and whoever has it open sees that at once."""
    copy = copy_of(database)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO parcels (note) VALUES ('second')")
        put_back(io.BytesIO(copy), database)
        assert connection.execute("SELECT note FROM parcels").fetchall() == [("first",)]
    assert notes(database) == ["first"]


def test_a_copy_is_put_where_there_is_nothing(database: Path, tmp_path: Path) -> None:
    """A lost database comes back, in a folder that is made for it."""
    put_back(io.BytesIO(copy_of(database)), tmp_path / "new" / "parcels.db")
    assert notes(tmp_path / "new" / "parcels.db") == ["first"]


@pytest.mark.parametrize("fault", ["empty", "cut", "scrambled", "text"])
def test_an_unfit_copy_changes_nothing(database: Path, fault: str) -> None:
    """What is empty, cut off, damaged, or no database at all is refused before the database is touched."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.executemany("INSERT INTO parcels (note) VALUES (?)", [("x" * 500,)] * 200)
    before, copy = notes(database), copy_of(database)
    unfit = {
        "empty": b"",
        "cut": copy[: len(copy) // 2],
        "scrambled": copy[:8192] + os.urandom(8192) + copy[16384:],
        "text": b"no database" * 1000,
    }[fault]
    with pytest.raises((UnfitCopy, sqlite3.DatabaseError)):
        put_back(io.BytesIO(unfit), database)
    assert notes(database) == before


@pytest.mark.parametrize(
    ("url", "arguments", "status", "sentence"),
    [
        ("sqlite+aiosqlite:////{folder}/nowhere.db", [], 1, "nowhere.db: there is no such database.\n"),
        ("postgresql://a@b/c", [], 1, "pg_dump"),
        ("sqlite+aiosqlite:////{folder}/other.db", ["--restore"], 1, "none of a service's database.\n"),
        ("mysql://a@b/c", [], 2, "DATABASE_URL: "),
        (None, [], 2, "DATABASE_URL: is not set"),
    ],
)
def test_what_cannot_be_copied_is_said_in_a_sentence(
    tmp_path: Path, url: str | None, arguments: list[str], status: int, sentence: str
) -> None:
    """No such database, one that is not SQLite's, no copy, no setting: status 1 or 2, and no trace."""
    environment = {"DATABASE_URL": url.format(folder=tmp_path)} if url else {}
    ended = subprocess.run(
        [sys.executable, "-m", "service_chassis.backup", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (status, "")
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
