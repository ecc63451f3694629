"""What the check of a credential costs by itself, without the request around it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from service_chassis.database import Database
from session_twin.sessions import Sessions
from session_twin.stores import SessionStore
from session_twin.stores.memory import MemoryStore
from session_twin.stores.sqlite import DatabaseStore
from session_twin.stores.valkey import ValkeyStore
from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from token_verification import AccessTokenVerifier, RemoteKeySet

NAME = "check cost"
CLAIM = (
    "On one machine, the first check of a signature costs about what a look-up in a store close by does; what is in "
    "memory costs next to nothing."
)
PROCEDURE = (
    "The code that profile and the twin check credentials with, called in this process, one check after the "
    "other: real tokens of auth, each for the first time and then again, with its keys; sessions in memory, in "
    "SQLite and in Valkey, which is on this machine. Time on the clock, and of this process's processor, which "
    "leaves out the store's own; medians of rounds."
)

TOKENS = 6


def measure(lab: Laboratory) -> Result:
    """Time the checks."""
    return asyncio.run(_measure(lab))


async def _measure(lab: Laboratory) -> Result:
    rounds, checks = (2, 40) if lab.quick else (5, 200)
    way = lab.ways["jwt-followed"]
    person = way.register()
    found: dict[str, tuple[list[float], list[float]]] = {}
    stores: dict[str, SessionStore] = {"session-memory": MemoryStore()}
    database = Database(f"sqlite+aiosqlite:///{Path(lab.data) / 'twins' / 'sqlite.db'}")
    if "session-sqlite" in lab.ways:
        stores["session-sqlite"] = DatabaseStore(database)
    if lab.store is not None:
        stores["session-valkey"] = ValkeyStore(lab.store.url, now=time.time)
    try:
        for key, store in stores.items():
            sessions = Sessions(store, idle_life=1800, absolute_life=7200, now=time.time)
            id_ = await sessions.begin(subject="check", name="Ada", device="comparison")
            found[key] = await _timed(sessions.find, [id_] * checks, rounds)
    finally:
        for store in stores.values():
            await store.close()
        await database.close()
    async with httpx.AsyncClient(trust_env=False) as http:
        uri = f"http://127.0.0.1:{lab.ports['auth']}/.well-known/jwks.json"
        async with RemoteKeySet(uri, issuer=lab.stack.url, http=http) as key_set:
            while await key_set.ready() is not None:
                await asyncio.sleep(0.01)
            firsts = []
            for _ in range(rounds):
                tokens = [way.log_in(person).value.removeprefix("Bearer ") for _ in range(TOKENS)]
                verifier = AccessTokenVerifier(issuer=lab.stack.url, audience="urn:signet:profile", key_set=key_set)
                firsts.append(await _timed(verifier.verify, tokens, 1))
                again = await _timed(verifier.verify, [tokens[-1]] * checks, 1)
                for name, each in (("jwt, first use", firsts[-1]), ("jwt, again", again)):
                    clock, processor = found.setdefault(name, ([], []))
                    clock += each[0]
                    processor += each[1]
    measured = {name: Measured.of("µs", clock) for name, (clock, _) in found.items()}
    measured |= {f"processor: {name}": Measured.of("µs", processor) for name, (_, processor) in found.items()}
    return Result(NAME, CLAIM, PROCEDURE, measured)


async def _timed(
    check: Callable[[str], Awaitable[object]], credentials: Sequence[str], rounds: int
) -> tuple[list[float], list[float]]:
    """Return µs per check, on the clock and of the processor, for each round."""
    clock, processor = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        for each in credentials:
            if await check(each) is None:
                raise RuntimeError("a good credential was refused")
        clock.append(1e6 * (time.perf_counter() - began) / len(credentials))
        processor.append(1e6 * (time.process_time() - used) / len(credentials))
    return clock, processor
