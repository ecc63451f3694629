"""The authorization server as it is, on a database of each test's own, of either kind, with a clock that tests move."""

import asyncio
import contextlib
import shutil
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.profiles import CHEAPEST
from fastapi import FastAPI
from tests.postgresql_plugin import NewDatabase

from auth_service.app import create_app
from auth_service.settings import Settings
from service_chassis.server import WAKE

PASSWORD = "correct horse battery"


class Clock:
    """Wall time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class WatchedHasher(PasswordHasher):
    """Hash and verify for real, and keep account of it."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(
            parameters.time_cost,
            parameters.memory_cost,
            parameters.parallelism,
            parameters.hash_len,
            parameters.salt_len,
        )
        self.verified: list[Parameters] = []
        self.hashed = 0
        self.threads: set[int] = set()
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens in the world while a password is verified."""

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002, ANN401 -- the library's signature
        self.verified.append(extract_parameters(hash if isinstance(hash, str) else hash.decode()))
        self.threads.add(threading.get_ident())
        self.meanwhile()
        return super().verify(hash, password)

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.hashed += 1
        self.threads.add(threading.get_ident())
        return super().hash(password, salt=salt)


@dataclass
class Auth:
    """One running authorization server, and a client for it."""

    app: FastAPI
    settings: Settings
    clock: Clock
    hasher: WatchedHasher
    client: httpx.AsyncClient
    wake: Callable[[], None]

    async def register(self, email: str = "ada@example.com", password: str = PASSWORD, name: str = "Ada") -> str:
        """Register somebody and return their `sub`."""
        answer = await self.client.post("/register", json={"email": email, "password": password, "name": name})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sub"])

    async def log_in(self, email: str = "ada@example.com", password: str = PASSWORD, **more: object) -> httpx.Response:
        """Try to log in."""
        return await self.client.post("/login", json={"email": email, "password": password, **more})


Start = Callable[..., AbstractAsyncContextManager[Auth]]


@pytest.fixture
def clock() -> Clock:
    """Give wall time to whatever is tested without a whole server."""
    return Clock()


@pytest.fixture(scope="session")
def grown_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a migrated database and a first pair of keys, for tests that are not about making them."""
    folder = tmp_path_factory.mktemp("grown_up")
    app = create_app(settings_in(folder), clock=Clock(), hasher=WatchedHasher(CHEAPEST))

    async def live_and_die() -> None:
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(live_and_die())
    return folder


def settings_in(folder: Path, **changes: object) -> Settings:
    """Return settings whose files lie in one folder."""
    return Settings.model_validate(
        {
            "port": 1,
            "database_url": f"sqlite+aiosqlite:///{folder}/data/auth.db",
            "issuer": "http://localhost:8080",
            "key_encryption_key_file": folder / "secrets" / "key-encryption-key",
            "signing_key_bits": 2048,
            **changes,
        }
    )


@pytest.fixture
def database_in(new_database: NewDatabase, grown_up: Path) -> Callable[[Path], str]:
    """Give the URL of the database that belongs to a folder: a grown-up one where the folder is a copy of such."""
    urls: dict[Path, str] = {}

    async def grow_up(url: str) -> None:
        app = create_app(settings_in(grown_up, database_url=url), clock=Clock(), hasher=WatchedHasher(CHEAPEST))
        async with app.router.lifespan_context(app):
            pass

    def url_of(folder: Path) -> str:
        file = folder / "data" / "auth.db"
        if folder not in urls:
            grown = (folder / "secrets").exists()
            urls[folder] = new_database(file, "auth_grown_up" if grown else None, prepare=grow_up)
        return urls[folder]

    return url_of


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return the threads in which tokens and answers of the feed are signed, to be read afterwards."""
    threads: set[int] = set()
    sign = jwt.encode

    def watched(*arguments: Any, **options: Any) -> str:  # noqa: ANN401 -- passed on as they are
        threads.add(threading.get_ident())
        return sign(*arguments, **options)

    monkeypatch.setattr(jwt, "encode", watched)
    return threads


@pytest.fixture(scope="session")
def trusted() -> ssl.SSLContext:
    """Read the world's certificates once: for each of a thousand servers it is half of its start."""
    return ssl.create_default_context()


@pytest.fixture
def start(tmp_path: Path, database_in: Callable[[Path], str], trusted: ssl.SSLContext) -> Start:
    """Start an authorization server in the test's own folder, for the length of a block; hashing is cheap."""

    @contextlib.asynccontextmanager
    async def start(
        *, clock: Clock | None = None, parameters: Parameters = CHEAPEST, folder: Path = tmp_path, **changes: object
    ) -> AsyncIterator[Auth]:
        settings = settings_in(folder, **{"database_url": database_in(folder), **changes})
        clock = clock or Clock()
        hasher = WatchedHasher(parameters)
        network = httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)
        app = create_app(settings, clock=clock, hasher=hasher, network=network)
        # ASGITransport does not run the lifespan.
        async with app.router.lifespan_context(app) as state:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as client:
                yield Auth(app, settings, clock, hasher, client, cast("dict[str, Any]", state)[WAKE])

    return start


@pytest.fixture
async def auth(start: Start, grown_up: Path, tmp_path: Path) -> AsyncIterator[Auth]:
    """Run an authorization server with default limits and cheap hashing."""
    shutil.copytree(grown_up, tmp_path, dirs_exist_ok=True)
    async with start() as running:
        yield running
