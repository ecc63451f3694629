"""A process that is killed while it changes keys: what it had committed is whole, and the next one goes on from it."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
from pathlib import Path

from services.auth.tests.key_replicas import START, Clock, Replica, replicas

ROOT = Path(__file__).parents[3]


async def change_without_pause(url: str, file: Path, *, since: float) -> None:
    """Rotate and compromise, as fast as it goes, and say so after each: what the process that is killed does."""
    clock = Clock(since)
    async with replicas(url, file, clock=clock) as (one,):
        while True:
            clock.now += 1000
            await one.transitions.advance()
            await one.transitions.rotate()
            print("rotated", flush=True)  # noqa: T201 -- whoever kills it waits for this
            changed = await one.transitions.compromise((await one.keys.signer(within=0)).kid)
            print("compromised", changed.seq, flush=True)  # noqa: T201 -- same reason


async def assert_whole(one: Replica) -> set[str]:
    """Hold the database against itself, and return the ids of the compromised keys."""
    states = await one.states()
    compromised = {kid for kid, state in states.items() if state == "compromised"}
    assert list(states.values()).count("active") == 1
    assert list(states.values()).count("pending") == 1
    assert {kid for _, kid, _ in await one.revoked()} == compromised
    assert await one.sealed() == {kid for kid, state in states.items() if state in {"active", "pending"}}
    published = {key["kid"] for key in json.loads(one.keys.key_set.body)["keys"]}
    assert published == {kid for kid, state in states.items() if state in {"active", "pending", "retiring"}}
    assert states[(await one.keys.signer()).kid] == "active"
    return compromised


async def test_a_process_killed_in_the_middle_leaves_nothing_half_done(tmp_path: Path) -> None:
    """Whatever it was at: one key signs, one stands ready, and the feed has each compromised key that there is."""
    url, file = f"sqlite+aiosqlite:///{tmp_path}/auth.db", tmp_path / "kek"
    code = (
        "import asyncio, pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from services.auth.tests.test_key_crashes import change_without_pause as change\n"
        "asyncio.run(change(sys.argv[2], pathlib.Path(sys.argv[3]), since=float(sys.argv[4])))"
    )
    before: set[str] = set()
    for since in (START, START + 50_000):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(ROOT), url, str(file), str(since), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while not (said := await asyncio.wait_for(process.stdout.readline(), 120)).startswith(b"compromised"):
            assert said, "it ended by itself"
        await asyncio.sleep(secrets.randbelow(50) / 1000)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        async with replicas(url, file) as (one,):
            after = await assert_whole(one)
        assert before < after
        before = after
