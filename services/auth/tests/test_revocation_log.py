"""The log of revocations: its order is that of commits, and it outlives crashes and copies; on either database."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from auth_service import revocations as log_module
from auth_service.revocations import RevocationKind, RevocationLog
from service_chassis.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from services.auth.tests.conftest import Clock
    from tests.postgresql_plugin import NewDatabase

LOGIN, KEY = RevocationKind.LOGIN, RevocationKind.KEY
BEGINNING = 1_800_000_000


@pytest.fixture
def url(new_database: NewDatabase, tmp_path: Path) -> str:
    """Give the URL of a database."""
    return new_database(tmp_path / "auth.db", "auth_service")


@pytest.fixture
async def databases(url: str) -> AsyncIterator[list[Database]]:
    """Give that database, migrated, as two processes have it."""
    databases = [Database(url, patience=30, statement_timeout=30) for _ in range(2)]
    await databases[0].migrate("auth_service")
    yield databases
    for each in databases:
        await each.close()


@pytest.fixture
def logs(databases: list[Database], clock: Clock) -> list[RevocationLog]:
    """Give the log as the two processes have it."""
    return [RevocationLog(each, remember_for=605, clock=clock) for each in databases]


async def append(log: RevocationLog, *ids: str, kind: RevocationKind = LOGIN) -> int:
    """Append in a transaction of its own."""
    async with log.writing() as connection:
        return await log.append(connection, kind, ids)


async def ids(log: RevocationLog, after: int = 0) -> list[str]:
    """Return the ids after a seq."""
    return [name for _, name, _ in (await log.read(after)).rows]


async def test_rows_come_in_the_order_of_their_seqs_and_say_until_when(logs: list[RevocationLog], clock: Clock) -> None:
    """What is appended at one process is read at another; logins count for the longest life of a token, keys always."""
    first = await append(logs[0], "a", "b")
    second = await append(logs[1], "k", kind=KEY)
    page = await logs[1].read(0)
    until = BEGINNING + 606
    assert page.rows == [("sid", "a", until), ("sid", "b", until), ("kid", "k", None)]
    assert (page.seq, page.more) == (second, False)
    assert second > first > BEGINNING * 1_000_000
    assert await ids(logs[0], first) == ["k"]
    assert await logs[0].read(second) == log_module.RevocationPage(second, more=False, rows=[])
    assert await append(logs[0]) == second  # to append nothing is to learn where the log is


async def test_what_is_appended_is_told_to_other_processes(
    logs: list[RevocationLog], databases: list[Database]
) -> None:
    """By the word that goes out with the commit, and not because somebody looks now and then."""
    async with databases[1].watching(log_module._CHANNEL, look=3600) as changes:
        with contextlib.suppress(TimeoutError):
            while True:  # until there is nothing more to tell of what was before
                await asyncio.wait_for(changes.wait(), 0.3)
        await append(logs[0], "a")
        await asyncio.wait_for(changes.wait(), 30)


async def test_a_page_ends_where_it_says(logs: list[RevocationLog], monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a page holds come page by page, each once, and none is left out."""
    monkeypatch.setattr(log_module, "LONGEST_PAGE", 3)
    last = await append(logs[0], *"abcdefg")
    seq, pages = 0, []
    more = True
    while more:
        page = await logs[1].read(seq)
        pages.append("".join(name for _, name, _ in page.rows))
        seq, more = page.seq, page.more
    assert pages == ["abc", "def", "g"]
    assert seq == last


async def test_who_appends_first_and_commits_last_is_not_skipped(
    logs: list[RevocationLog], databases: list[Database]
) -> None:
    """Of two transactions, the one that began to append later waits: a reader that keeps reading gets both."""
    read: list[str] = []
    seq = 0

    async def go_on_reading() -> None:
        nonlocal seq
        page = await logs[1].read(seq)
        read.extend(name for _, name, _ in page.rows)
        seq = page.seq

    await go_on_reading()
    async with logs[0].writing() as connection:
        await logs[0].append(connection, LOGIN, ["first"])
        other = asyncio.create_task(append(logs[1], "second"))
        await _until_done_or_held_up(other, databases[0])
        await go_on_reading()
    await other
    await go_on_reading()
    assert read == ["first", "second"]


async def _until_done_or_held_up(task: asyncio.Task[int], database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(20):
        await asyncio.sleep(0.02)
        async with database.reading() as connection:
            held_up = connection.dialect.name == "postgresql" and (await connection.execute(waiting)).scalar_one()
        if task.done() or held_up:
            return


async def test_no_reader_skips_a_row_whoever_commits_when(logs: list[RevocationLog]) -> None:
    """Many append at two processes and dawdle before they commit, one reads all the while, and gets every row."""
    written = {f"{process}-{number}" for process in range(2) for number in range(12)}
    read: list[str] = []

    async def dawdle(name: str) -> None:
        log = logs[int(name[0])]
        async with log.writing() as connection:
            await log.append(connection, LOGIN, [name])
            await asyncio.sleep(0.01)

    async def read_on() -> None:
        seq = 0
        while len(read) < len(written):
            page = await logs[0].read(seq)
            assert page.seq >= seq
            seq = page.seq
            read.extend(name for _, name, _ in page.rows)
            await asyncio.sleep(0.002)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(read_on())
        for name in written:
            tasks.create_task(dawdle(name))
    assert set(read) == written


async def test_what_is_taken_back_leaves_no_row(logs: list[RevocationLog]) -> None:
    """A transaction that fails after it appended has revoked nothing, and the log's seq is where it was."""
    before = await append(logs[0], "a")
    with contextlib.suppress(ZeroDivisionError):
        async with logs[0].writing() as connection:
            await logs[0].append(connection, LOGIN, ["b"])
            raise ZeroDivisionError
    assert (await logs[1].read(0)).seq == before
    assert await ids(logs[1]) == ["a"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_database_put_back_from_a_copy_repeats_no_seq(
    logs: list[RevocationLog], databases: list[Database], clock: Clock, tmp_path: Path
) -> None:
    """A follower that had read what the copy does not have is told of everything that is appended after it."""
    await append(logs[0], "before the copy")
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "auth.db")) as original,
        contextlib.closing(sqlite3.connect(":memory:")) as copy,
    ):
        original.backup(copy)
        clock.now += 1
        lost = await append(logs[0], "after the copy", "and one more")
        copy.backup(original)
    assert (await logs[1].read(lost)).rows == []
    clock.now += 1
    assert await append(logs[1], "after the restore") > lost
    assert await ids(logs[0], lost) == ["after the restore"]


async def test_a_clock_that_goes_back_repeats_no_seq(logs: list[RevocationLog], clock: Clock) -> None:
    """Without a restore, the last seq counts and not the clock."""
    before = await append(logs[0], "a")
    clock.now -= 3600
    assert await append(logs[1], "b") == before + 1


async def test_rows_that_nobody_needs_are_pruned_and_keys_stay(
    logs: list[RevocationLog], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 s after a row's until it goes, a few at a time; keys have none, and the log goes on where it was."""
    monkeypatch.setattr(log_module, "AT_ONCE", 2)
    await append(logs[0], "a", "b", "c")
    seq = await append(logs[0], "k", kind=KEY)
    clock.now += 606 + 60
    assert await logs[0].prune() == 0
    clock.now += 1
    assert sorted(await asyncio.gather(logs[0].prune(), logs[1].prune())) == [1, 2]
    assert await logs[0].prune() == 0
    assert (await logs[0].read(0)).rows == [("kid", "k", None)]
    assert (await logs[0].read(0)).seq == seq


async def test_pruning_goes_on_by_itself(databases: list[Database], clock: Clock) -> None:
    """For the length of its block, rows go without anyone asking."""
    log = RevocationLog(databases[0], remember_for=605, keep_for=0.1, clock=clock)
    await append(log, "a")
    clock.now += 610
    async with log.pruning(), asyncio.timeout(30):
        while await ids(log):  # noqa: ASYNC110 -- nobody tells of it
            await asyncio.sleep(0.02)
