"""The real service on a database of its own, with a fake issuer in place of auth, and neighbours that misbehave."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from services.orders.tests.neighbours import PROFILE_URL, TOKEN_ENDPOINT, Neighbours
from tests.postgresql_plugin import NewDatabase, Preparation
from tests.resource_server_running import Bearer, Start, started

from orders_service.app import create_app
from orders_service.client_key import OwnClientKey
from orders_service.settings import Settings
from service_chassis.database import Database
from token_verification.testing import FakeIssuer

ALL_SCOPES = "orders:read orders:write orders:ship profile:read"


@pytest.fixture
def issuer() -> FakeIssuer:
    """Give an issuer whose tokens are for orders."""
    return FakeIssuer(audience="urn:signet:orders")


@pytest.fixture
def neighbours(issuer: FakeIssuer) -> Neighbours:
    """Give auth and profile, which behave well until told otherwise."""
    return Neighbours(issuer)


@pytest.fixture(scope="session")
def key_encryption_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the key under which every test's client key lies."""
    return tmp_path_factory.mktemp("secrets") / "key-encryption-key"


@pytest.fixture(scope="session")
def prepare(key_encryption_key_file: Path) -> Preparation:
    """Make of an empty database one of a service that has started before: to make a client key takes its time."""

    async def start_once(url: str) -> None:
        database = Database(url)
        await database.migrate("orders_service")
        await OwnClientKey(database, key_encryption_key_file=key_encryption_key_file, bits=2048).open()
        await database.close()

    return start_once


@pytest.fixture(scope="session")
def prepared_file(prepare: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give such a database as a SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("prepared") / "orders.db"
    with ThreadPoolExecutor(1) as thread:  # which has no loop of a test's
        thread.submit(asyncio.run, prepare(f"sqlite+aiosqlite:///{file}")).result()  # type: ignore[arg-type]
    return file


@pytest.fixture
def sqlite_url(prepared_file: Path, tmp_path: Path) -> str:
    """Give the URL of such a database in the file `orders.db`, for tests to which the kind of database is nothing."""
    return f"sqlite+aiosqlite:///{shutil.copy(prepared_file, tmp_path / 'orders.db')}"


@pytest.fixture
def database_url(new_database: NewDatabase, prepare: Preparation, request: pytest.FixtureRequest) -> str:
    """Give the URL of such a database, of each kind."""
    url = new_database(Path(), "orders that have started before", prepare=prepare)
    return request.getfixturevalue("sqlite_url") if url.startswith("sqlite") else url


@pytest.fixture
def settings(tmp_path: Path, issuer: FakeIssuer, database_url: str, key_encryption_key_file: Path) -> Settings:
    """Give settings under which the data lie in the test's own folder."""
    return Settings(
        DATABASE_URL=database_url,
        port=1,
        issuer=issuer.issuer,
        jwks_uri=issuer.jwks_uri,
        key_set_file=tmp_path / "key_set.json",
        revocations_url=issuer.feed_uri,
        revocations_folder=tmp_path / "revocations",
        token_endpoint=TOKEN_ENDPOINT,
        profile_url=PROFILE_URL,
        key_encryption_key_file=key_encryption_key_file,
        client_key_bits=2048,
    )


@pytest.fixture
def app(settings: Settings, neighbours: Neighbours) -> FastAPI:
    """Give the service, not started."""
    return create_app(settings, network=neighbours)


@pytest.fixture
def bearer(issuer: FakeIssuer) -> Bearer:
    """Make the header of a caller; `claims` deviate from a good token with all scopes."""

    def header(**claims: object) -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.token(**({'scope': ALL_SCOPES} | claims))}"}  # type: ignore[arg-type]

    return header


@pytest.fixture
def start(bearer: Bearer) -> Start:
    """Start a service for the length of a block, and give a client that has every scope."""
    return lambda app: started(app, headers=bearer())


@pytest.fixture
async def client(app: FastAPI, start: Start) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client, with every scope, of the running service."""
    async with start(app) as client:
        yield client
