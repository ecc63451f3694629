"""The feed of real processes: what one commits the others tell, and no end of a process loses or holds up anything."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from services.auth.tests.conftest import settings_in
from services.auth.tests.processes import NEVER_LOOKING, Replica, serving

from auth_service.revocations import RevocationKind, RevocationLog
from service_chassis.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from auth_service.settings import Settings

APPEND_AND_DIE = """
import asyncio, os, signal, sys, time
from auth_service.revocations import RevocationKind, RevocationLog
from service_chassis.database import Database

async def main():
    log = RevocationLog(Database(sys.argv[1]), remember_for=605, clock=time.time)
    async with log.writing() as connection:
        await log.append(connection, RevocationKind.LOGIN, ["the last thing it did"])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
def settings(grown_up: Path, tmp_path: Path, database_in: Callable[[Path], str]) -> Settings:
    """Give the settings of processes on one grown-up database."""
    shutil.copytree(grown_up, tmp_path, dirs_exist_ok=True)
    return settings_in(tmp_path, database_url=database_in(tmp_path))


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[RevocationLog]:
    """Give the log as yet another process has it."""
    database = Database.of(settings)
    yield RevocationLog(database, remember_for=605, clock=time.time)
    await database.close()


async def ask(replica: Replica, after: int, *, wait: int = 0) -> dict[str, Any]:
    """Return the claims of an answer, which the tests of the feed verify."""
    answer = await replica.client.get("/revocations", params={"after": after}, headers={"Prefer": f"wait={wait}"})
    assert answer.status_code == 200, answer.text
    return dict(jwt.decode(answer.text, options={"verify_signature": False}))


async def until_waiting(replica: Replica, number: int) -> None:
    """Return when so many wait at a process."""
    async with asyncio.timeout(30):
        while f"revocation_feed_waiting {number}.0" not in (await replica.client.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_what_is_appended_at_one_process_is_told_by_the_others(settings: Settings, log: RevocationLog) -> None:
    """Whoever waits at either of two replicas is told by it, at once, and not when their wait of 20 s is over."""
    took: list[float] = []
    async with serving(settings, program=NEVER_LOOKING) as one, serving(settings, program=NEVER_LOOKING) as other:
        seq = (await ask(one, 0))["seq"]
        for number in range(2):
            waiting = [asyncio.create_task(ask(replica, seq, wait=20)) for replica in (one, other)]
            for replica in (one, other):
                await until_waiting(replica, 1)
            async with log.writing() as connection:
                seq = await log.append(connection, RevocationKind.LOGIN, [str(number)])
            began = time.perf_counter()
            for answer in await asyncio.gather(*waiting):
                assert ([row[1] for row in answer["revoked"]], answer["seq"]) == ([str(number)], seq)
            took.append(time.perf_counter() - began)
    assert max(took) < 10, took


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_no_crash_loses_and_no_wait_holds_up(settings: Settings, log: RevocationLog) -> None:
    """What a process committed before it was killed is told by the next one. That one ends when it is asked to, though
    fifty wait, and each of them gets a whole answer.
    """
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", APPEND_AND_DIE, settings.database_url)
    assert await dying.wait() == -signal.SIGKILL
    async with serving(settings) as replica:
        answer = await ask(replica, 0, wait=20)
        assert [row[1] for row in answer["revoked"]] == ["the last thing it did"]
        waiting = [asyncio.create_task(ask(replica, answer["seq"], wait=30)) for _ in range(50)]
        await until_waiting(replica, 50)
        began = time.perf_counter()
        replica.process.send_signal(signal.SIGTERM)
        for last in await asyncio.gather(*waiting):
            assert (last["seq"], last["revoked"]) == (answer["seq"], [])
        assert await asyncio.wait_for(replica.process.wait(), 30) in {0, -signal.SIGTERM}
        # Left alone, the server would let them wait for ten seconds, and then cut them off.
        assert time.perf_counter() - began < 8
        with pytest.raises(httpx.ConnectError):
            await replica.client.get("/healthz")
