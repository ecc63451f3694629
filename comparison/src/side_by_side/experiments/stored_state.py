"""What is stored where, and how many bytes of it a logged-in user costs."""

import asyncio
import secrets
import sqlite3
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import redis

from session_twin.sessions import key_of
from session_twin.stores import Session, SessionStore
from session_twin.stores.memory import MemoryStore
from session_twin.stores.valkey import ValkeyStore
from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import Credential, Way
from token_verification.revocation_set import RevocationSet

NAME = "stored state"
CLAIM = (
    "A session is a record on the server and an id at the client; a JWT is whole at the client, and no server "
    "that checks it keeps anything."
)
PROCEDURE = (
    "So many people log in, and what the database, the store or the process holds is compared before and after, "
    "per login; at the client, the bytes of what it sends are counted. In memory by Python's own count of "
    "allocations; in Valkey by its used_memory; in SQLite by the size of a compacted copy. Growth is measured for "
    "some numbers of users, and beyond them continued by a straight line, which is simulation."
)
SIZES, REACH = (1000, 2000, 5000), 100_000
"""Numbers of users for whom growth is measured, and up to whom it is continued."""


def measure(lab: Laboratory) -> Result:
    """Measure bytes per login at servers and clients."""
    logins, sizes = (6, (500, 1000)) if lab.quick else (20, SIZES)
    measured: dict[str, Measured] = {}
    growth: dict[str, list[tuple[int, float]]] = {"session-memory": [(size, _in_memory(size)) for size in sizes]}
    if lab.store is not None:
        growth["session-valkey"] = _in_valkey(lab.store.url, sizes)
    growth["jwt-ended"] = [(size, _ended(size)) for size in SIZES]
    for name, points in growth.items():
        measured[f"{name}: server"] = Measured.of("B", [total / size for size, total in points])
    at_auth, at_profile = lab.stack.data.database("auth"), lab.stack.data.database("profile")
    if "session-sqlite" in lab.ways:
        (of_sessions,) = _per_login(lab, lab.ways["session-sqlite"], (lab.data / "twins" / "sqlite.db",), logins)
        measured["session-sqlite: server"] = Measured.of("B", [of_sessions])
        growth["session-sqlite"] = [(0, 0.0), (logins, of_sessions * logins)]
    of_auth, of_profile = _per_login(lab, lab.ways["jwt-followed"], (at_auth, at_profile), logins)
    measured["jwt: auth"] = Measured.of("B", [of_auth])
    measured["jwt: server"] = Measured.of("B", [of_profile])
    growth["jwt: auth"] = [(0, 0.0), (logins, of_auth * logins)]
    for key, kept in lab.in_each_way(_kept).items():
        measured[f"{key}: client"] = Measured.of("B", [len(each.value) for each in kept])
        if any(each.renewal for each in kept):
            measured[f"{key}: client, to renew"] = Measured.of("B", [len(each.renewal) for each in kept])
    lines = {name: _line(points) for name, points in growth.items()}
    facts = {
        "growth": {name: [list(point) for point in points] for name, points in growth.items()},
        "simulated": {
            name: [[n, start + slope * n] for n in (growth[name][-1][0], REACH)]
            for name, (start, slope) in lines.items()
        },
    }
    return Result(NAME, CLAIM, PROCEDURE, measured, facts)


def _kept(way: Way) -> list[Credential]:
    """Return what a client keeps after each of two logins."""
    person = way.register()
    return [way.log_in(person) for _ in range(2)]


def _per_login(lab: Laboratory, way: Way, databases: Sequence[Path], logins: int) -> list[float]:
    """Return by how many bytes each database grows with a login whose credential is used at every server."""
    person = way.register()
    way.use(way.log_in(person))
    before = [_compacted(database, lab.data) for database in databases]
    for _ in range(logins):
        credential = way.log_in(person)
        for server in way.servers:
            way.use(credential, server)
    return [(_compacted(each, lab.data) - old) / logins for each, old in zip(databases, before, strict=True)]


def _compacted(database: Path, folder: Path) -> int:
    copy = folder / f"{secrets.token_hex(8)}.db"
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA page_size = 512")  # the copy's: sizes are told to half a kilobyte
        connection.execute("VACUUM INTO ?", (str(copy),))
    finally:
        connection.close()
    size = copy.stat().st_size
    copy.unlink()
    return size


def _some_session() -> tuple[str, Session]:
    now = 1_700_000_000.0
    session = Session(secrets.token_hex(16), "Ada Lovelace", "comparison", began=now, used=now, ends=now + 1800)
    return key_of(secrets.token_urlsafe(16)), session


def _allocated(make: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        kept = make()
        held = tracemalloc.get_traced_memory()[0]
        del kept
    finally:
        tracemalloc.stop()
    return float(held)


def _in_memory(count: int) -> float:
    def fill() -> MemoryStore:
        store = MemoryStore()
        asyncio.run(_add(store, count, at_once=1))
        return store

    return _allocated(fill)


def _ended(count: int) -> float:
    """Return the bytes of so many logins that have ended while a token of theirs could still live."""

    def fill() -> RevocationSet:
        known = RevocationSet()
        for _ in range(count):
            known.add("sid", secrets.token_hex(16), 1_700_000_605)
        return known

    return _allocated(fill)


def _in_valkey(url: str, sizes: tuple[int, ...]) -> list[tuple[int, float]]:
    points: list[tuple[int, float]] = []
    with redis.Redis.from_url(url, db=1) as server:
        empty = int(server.info("memory")["used_memory"])
        for size in sizes:
            asyncio.run(_add_to_valkey(url, size - (points[-1][0] if points else 0)))
            points.append((size, float(int(server.info("memory")["used_memory"]) - empty)))
        server.flushdb()
    return points


async def _add_to_valkey(url: str, count: int) -> None:
    store = ValkeyStore(url.removesuffix("/0") + "/1", now=lambda: 1_700_000_000.0)
    try:
        await _add(store, count, at_once=50)
    finally:
        await store.close()


async def _add(store: SessionStore, count: int, *, at_once: int) -> None:
    for begun in range(0, count, at_once):
        await asyncio.gather(*(store.add(*_some_session()) for _ in range(min(at_once, count - begun))))


def _line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """Return where the straight line through the first and the last point starts, and its slope."""
    (first, low), (last, high) = points[0], points[-1]
    slope = (high - low) / (last - first)
    return low - slope * first, slope
