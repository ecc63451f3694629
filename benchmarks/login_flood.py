"""Two hundred people log in at once, again and again: what those notice who are logged in, and how many get in."""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from auth_service.passwords import argon2id
from benchmarks.connections import Connection
from benchmarks.feed_delivery import Usage
from benchmarks.figures import Figure
from benchmarks.findings import Findings, Table
from benchmarks.load import Asking, Load, put_load
from benchmarks.system import HOST, Door, Person, running_system
from signet.stack import EmbeddedStack

TITLE = "200 parallel logins, and the reads of those who are logged in"
AT_ONCE = 200
PEOPLE = 20
"""Who they are, ten times each: an account has 200 open logins, and one above that ends another, of which all hear."""
READERS = 8
PAUSE = 20
"""Milliseconds between a reader's answer and its next question: about 300 reads a second in all."""
NOT_IN_THE_FIRST = 1.0
"""Seconds of a flood before anything is measured: by then, everyone has come."""

_NOTE = (
    f"{AT_ONCE} logins of {PEOPLE} people. Whoever finds the queue full is told so at once, by 503, and comes back one "
    "or two seconds later."
)
_COLUMNS = ("logins at once", "reads/s", "median ms", "p99 ms", "worst ms")


@dataclass
class Flood:
    """What became of the logins."""

    counting: bool = False
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0


def measure(*, quick: bool) -> Findings:
    """Measure reads through the door in turns, with nobody logging in and with two hundred."""
    with running_system() as stack:
        quiet, flooded, flood = asyncio.run(_measure(stack, rounds=1 if quick else 5, seconds=3 if quick else 6))
    hash_seconds = _hash_seconds(20 if quick else 100)
    idle, busy = _p99(quiet), _p99(flooded)
    rate, limit = flood.statuses[200] / flood.seconds, 1 / hash_seconds
    per_core = flood.statuses[200] / flood.cpu if flood.cpu else 0.0
    failed = sum(load.refused + load.broken for load in (*quiet, *flooded))
    met = sorted(flood.statuses.items())
    odd = {status: number for status, number in flood.statuses.items() if status not in {200, 503}}
    return Findings(
        figures=[
            Figure("p99 of verified reads, with nobody logging in", _exactly(idle)),
            Figure(f"p99 of verified reads, during {AT_ONCE} logins at once, times that", f"{busy / idle:.2f}",
                   "less than 2", kept=busy < 2 * idle),
            Figure("reads that failed", str(failed), "none", kept=not failed),
            Figure("logins neither let in nor told to come back", str(sum(odd.values())), "none", kept=not odd),
            Figure("logins for each second of auth's CPU, of what Argon2id alone allows",
                   f"{per_core:.0f} of {limit:.0f}: {per_core / limit:.0%}"),
            Figure("logins per second, with one hashing thread", f"{rate:.0f}, {rate / limit:.0%} of one core's limit"),
        ],
        tables=[
            Table("Verified reads through the door, in turns", _COLUMNS,
                  [_row("none", quiet), _row(str(AT_ONCE), flooded)]),
            Table("Logins", ("answer", "number"), [(str(status), str(number)) for status, number in met]),
        ],
        notes=[_NOTE],
    )  # fmt: skip


async def _measure(stack: EmbeddedStack, *, rounds: int, seconds: int) -> tuple[list[Load], list[Load], Flood]:
    door, flood = Door(stack), Flood()
    reader, *people = [await door.register() for _ in range(1 + PEOPLE)]
    token = (await door.log_in(reader))["access_token"]
    port, auth = stack.addresses.ports["gateway"], stack.process("auth").pid
    asking = Asking(port, "/api/profile", [f"Authorization: Bearer {token}"])
    quiet: list[Load] = []
    flooded: list[Load] = []
    for _ in range(rounds):
        quiet.append(await _read(asking, seconds))
        flooding = [
            asyncio.create_task(_log_in_again_and_again(port, people[number % PEOPLE], flood))
            for number in range(AT_ONCE)
        ]
        try:
            await asyncio.sleep(NOT_IN_THE_FIRST)
            flood.counting = True
            began, cpu = time.perf_counter(), Usage.of(auth).cpu
            flooded.append(await _read(asking, seconds))
            flood.seconds += time.perf_counter() - began
            flood.cpu += Usage.of(auth).cpu - cpu
            flood.counting = False
        finally:
            for each in flooding:
                each.cancel()
            for each in flooding:
                with suppress(asyncio.CancelledError):
                    await each
        # Those who were hung up on have places in the queue for another second.
        await asyncio.sleep(2)
    return quiet, flooded, flood


async def _read(asking: Asking, seconds: int) -> Load:
    return await asyncio.to_thread(put_load, asking, seconds=seconds, core=None, connections=READERS, pause=PAUSE)


async def _log_in_again_and_again(port: int, person: Person, flood: Flood) -> None:
    async with Connection(HOST, port) as connection:
        while True:
            reply = await connection.ask("POST", "/login", body=vars(person))
            if flood.counting:
                flood.statuses[reply.status] += 1
            if reply.status != 200:
                # What Retry-After says, and somewhat longer: clients that were sent away together come back apart.
                await asyncio.sleep(random.uniform(1, 2))  # noqa: S311 -- no secret


def _hash_seconds(times: int) -> float:
    """Return the seconds of a core that it takes to verify one password, and nothing else."""
    hasher = argon2id()
    stored = hasher.hash("correct horse battery")
    taken = []
    for _ in range(times):
        began = time.thread_time()
        hasher.verify(stored, "correct horse battery")
        taken.append(time.thread_time() - began)
    return statistics.median(taken)


def _p99(loads: Sequence[Load]) -> float:
    return statistics.median(load.p99 for load in loads)


def _row(name: str, loads: Sequence[Load]) -> Sequence[str]:
    middle = statistics.median(load.p50 for load in loads)
    rate = statistics.median(load.rate for load in loads)
    worst = max(load.worst for load in loads)
    return (name, f"{rate:.0f}", *(f"{seconds * 1000:.1f}" for seconds in (middle, _p99(loads), worst)))


def _exactly(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
