"""The real service on a database of its own, SQLite or PostgreSQL, with a fake issuer in place of auth."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.postgresql_plugin import NewDatabase
from tests.resource_server_running import Bearer, Start, started

from profile_service.app import create_app
from profile_service.settings import Settings
from token_verification.testing import FakeIssuer

ALL_SCOPES = "profile:read profile:write profiles:read"


@pytest.fixture
def issuer() -> FakeIssuer:
    """Give an issuer whose tokens are for profile."""
    return FakeIssuer(audience="urn:signet:profile")


@pytest.fixture
def settings(new_database: NewDatabase, tmp_path: Path, issuer: FakeIssuer) -> Settings:
    """Give settings under which the data lie in the test's own folder."""
    return Settings(
        DATABASE_URL=new_database(tmp_path / "profile.db", "profile_service"),
        port=1,
        issuer=issuer.issuer,
        jwks_uri=issuer.jwks_uri,
        key_set_file=tmp_path / "key_set.json",
        revocations_url=issuer.feed_uri,
        revocations_folder=tmp_path / "revocations",
    )


@pytest.fixture
def app(settings: Settings, issuer: FakeIssuer) -> FastAPI:
    """Give the service, not started."""
    return create_app(settings, network=issuer.transport)


@pytest.fixture
def bearer(issuer: FakeIssuer) -> Bearer:
    """Make the header of a caller; `claims` deviate from a good token with all scopes."""

    def header(**claims: object) -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.token(**({'scope': ALL_SCOPES, 'name': 'Alice'} | claims))}"}  # type: ignore[arg-type]

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
