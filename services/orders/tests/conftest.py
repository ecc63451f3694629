"""The real service on a database file of its own, with a fake issuer in place of auth."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from orders_service.app import create_app
from orders_service.settings import Settings
from token_verification.testing import FakeIssuer

ALL_SCOPES = "orders:read orders:write"


@pytest.fixture
def issuer() -> FakeIssuer:
    """Give an issuer whose tokens are for orders."""
    return FakeIssuer(audience="urn:signet:orders")


@pytest.fixture
def settings(tmp_path: Path, issuer: FakeIssuer) -> Settings:
    """Give settings under which the data lie in the test's own folder."""
    return Settings(
        DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/orders.db",
        port=1,
        issuer=issuer.issuer,
        jwks_uri=issuer.jwks_uri,
        key_set_file=tmp_path / "key_set.json",
        token_endpoint="http://auth.test/oauth/token",
        profile_url="http://profile.test",
        key_encryption_key_file=tmp_path / "secrets" / "kek",
        client_key_bits=2048,
    )


@pytest.fixture
def app(settings: Settings, issuer: FakeIssuer) -> FastAPI:
    """Give the service, not started."""
    return create_app(settings, network=issuer.transport)


@pytest.fixture
def bearer(issuer: FakeIssuer) -> Callable[..., dict[str, str]]:
    """Make the header of a caller; `claims` deviate from a good token with all scopes."""

    def header(**claims: object) -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.token(**({'scope': ALL_SCOPES} | claims))}"}  # type: ignore[arg-type]

    return header


@pytest.fixture
def start(bearer: Callable[..., dict[str, str]]) -> Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]:
    """Start a service for the length of a block, and give a client that has every scope."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://orders.test", headers=bearer()) as client,
        ):
            yield client

    return running


@pytest.fixture
async def client(
    app: FastAPI, start: Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client, with every scope, of the running service."""
    async with start(app) as client:
        yield client
