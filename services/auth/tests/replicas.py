"""A second process of the authorization server under test: the same database, another application."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import jwt
from sqlalchemy import select

from auth_service.app import create_app
from auth_service.database import revocations
from auth_service.open_logins import OpenLogins
from auth_service.revocations import RevocationLog
from service_chassis.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.auth.tests.conftest import Auth


@contextlib.asynccontextmanager
async def replica(auth: Auth) -> AsyncIterator[httpx.AsyncClient]:
    """Run one, and give a client for it."""
    app = create_app(auth.settings, clock=auth.clock, hasher=auth.hasher)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://auth.test") as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def database_of(auth: Auth) -> AsyncIterator[Database]:
    """Open the database as another process would."""
    database = Database.of(auth.settings)
    try:
        yield database
    finally:
        await database.close()


async def revoked(auth: Auth, kind: str = "sid") -> list[str]:
    """Return what is on the log, in its order."""
    async with database_of(auth) as database, database.reading() as connection:
        of_kind = select(revocations.c.id).where(revocations.c.kind == kind).order_by(revocations.c.seq)
        return list((await connection.execute(of_kind)).scalars())


async def log_in(auth: Auth, email: str = "ada@example.com", **wishes: Any) -> dict[str, Any]:  # noqa: ANN401 -- as a login takes it
    """Log somebody in, and return the tokens."""
    answer = await auth.log_in(email, **wishes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """Return the header that shows the access token."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def claims_of(tokens: dict[str, Any]) -> dict[str, Any]:
    """Return what the access token says, unverified."""
    return dict(jwt.decode(tokens["access_token"], options={"verify_signature": False}))


def open_logins_in(database: Database, auth: Auth) -> OpenLogins:
    """Return the logins of a server as another process on its database has them."""
    log = RevocationLog(database, remember_for=605, clock=auth.clock)
    settings = auth.settings
    return OpenLogins(database, log, life=settings.login_life, idle_life=settings.refresh_idle_life, clock=auth.clock)
