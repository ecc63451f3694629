"""Twenty refreshes of one token at once, over and over, at auth with two workers; and what a copied token gets."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.postgresql_server import running_server, why_no_server

from benchmarks.connections import Connection, Reply
from benchmarks.figures import Figure, milliseconds
from benchmarks.findings import Findings
from benchmarks.system import HOST, Door, running_system
from signet.stack import EmbeddedStack

TITLE = "20 refreshes of one token at once, at auth with 2 workers"
AT_ONCE = 20
GRACE = 1.0
SHORTENED = {"SIGNET_WORKERS": "2", "SIGNET_REFRESH_GRACE": str(GRACE)}


def measure(*, quick: bool) -> Findings:
    """Go through a hundred rounds on each kind of database, or ten."""
    figures = []
    if lack := why_no_server():
        figures.append(Figure("PostgreSQL", f"not measured: {lack}", "all of it as on SQLite", kept=False))
    for kind, database in _databases():
        with database as environment, running_system(environment={"auth": {**SHORTENED, **environment}}) as stack:
            figures += asyncio.run(_measure(kind, stack, rounds=10 if quick else 100))
    return Findings(figures)


def _databases() -> Iterator[tuple[str, contextlib.AbstractContextManager[Mapping[str, str]]]]:
    yield "SQLite", contextlib.nullcontext({})
    if why_no_server() is None:
        yield "PostgreSQL", _postgresql()


@contextlib.contextmanager
def _postgresql() -> Iterator[Mapping[str, str]]:
    with running_server() as server:
        asyncio.run(_make_database(server.url("postgres")))
        yield {"DATABASE_URL": server.url("auth")}


async def _make_database(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("CREATE DATABASE auth TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"))
    await engine.dispose()


async def _measure(kind: str, stack: EmbeddedStack, *, rounds: int) -> list[Figure]:
    door, port = Door(stack), stack.addresses.ports["auth"]
    statuses: Counter[int] = Counter()
    successors: list[int] = []
    login = await door.log_in(await door.register())
    first = token = login["refresh_token"]
    access = login["access_token"]
    for _ in range(rounds):
        replies = await asyncio.gather(*(_refresh(port, token) for _ in range(AT_ONCE)))
        statuses.update(reply.status for reply in replies)
        found = {reply.json()["refresh_token"] for reply in replies if reply.status == 200}
        successors.append(len(found))
        if not found:
            raise RuntimeError(f"nobody got a successor: {replies[0].body.decode(errors='replace')}")
        (token, *_) = found
        access = next(reply.json()["access_token"] for reply in replies if reply.status == 200)
    await door.must("GET", "/api/profile", token=access)
    ended_after = await _replay(door, port, first, access)
    total = rounds * AT_ONCE
    return [
        Figure(f"{kind}: answered 200, of {total}", str(statuses[200]), "all", kept=statuses[200] == total),
        Figure(f"{kind}: successors of one token, at most", str(max(successors)), "1", kept=max(successors) == 1),
        Figure(f"{kind}: 5xx", str(sum(number for status, number in statuses.items() if status >= 500)), "none",
               kept=not any(status >= 500 for status in statuses)),
        Figure(f"{kind}: an old token is replayed, until both services refuse the login's access token",
               milliseconds(ended_after), "less than 1 s", kept=ended_after < 1),
    ]  # fmt: skip


async def _refresh(port: int, token: str) -> Reply:
    async with Connection(HOST, port) as connection:
        return await connection.ask("POST", "/refresh", body={"refresh_token": token})


async def _replay(door: Door, port: int, old: str, access: Any) -> float:  # noqa: ANN401
    """Use a token whose successors have long been used, and return how long the login then goes on, in seconds."""
    reply = await _refresh(port, old)
    if reply.status != 400:
        raise RuntimeError(f"an old token was answered {reply.status}")
    refused = time.perf_counter()
    for path in ("/api/profile", "/api/orders"):
        while (await door.ask("GET", path, token=access)).status != 401:
            if time.perf_counter() - refused > 10:
                raise RuntimeError("a login went on for 10 s after one of its old tokens was used")
            await asyncio.sleep(0.005)
    return time.perf_counter() - refused
