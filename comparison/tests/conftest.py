"""The twin on a database of its own, with its sessions in each of the stores."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from session_twin.app import create_app
from session_twin.settings import Settings
from side_by_side.store_server import StoreServer, store_server, why_none

ROOT = Path(__file__).resolve().parent.parent.parent
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
STORES = ("memory", "sqlite", "valkey")
Twin = Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]]
"""Runs the twin for the length of a block, and gives a client that keeps no cookie."""


class FakeTime:
    """Seconds since the epoch, as a test has them."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def valkey() -> Iterator[StoreServer]:
    """Run a server that speaks the Redis protocol."""
    if lack := why_none(ROOT):
        pytest.skip(lack)
    with store_server(ROOT, os.environ) as server:  # noqa: TID251 -- handed on to docker
        yield server


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """Name the store, as a twin's settings do."""
    if request.param != "valkey":
        return {"session_store": request.param}
    return {"session_store": "valkey", "session_store_url": request.getfixturevalue("valkey").url}


@pytest.fixture
def clock() -> FakeTime:
    return FakeTime()


@pytest.fixture
def settings(tmp_path: Path, store: dict[str, str]) -> Settings:
    database = f"sqlite+aiosqlite:///{tmp_path}/twin.db"
    return Settings(DATABASE_URL=database, port=1, session_absolute_life=7200, **store)  # type: ignore[arg-type]


@pytest.fixture
def twin(settings: Settings, clock: FakeTime) -> Twin:
    @asynccontextmanager
    async def running() -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings, clock=clock, hasher=CHEAP)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://twin.test") as client,
        ):
            yield client

    return running
