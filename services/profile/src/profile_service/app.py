"""Puts profile together: the only place where its parts are wired."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from profile_service import endpoints
from profile_service.profiles import Profiles
from profile_service.settings import Settings
from service_chassis.database import Database
from service_chassis.fit_out import observe, take_json
from service_chassis.operations import OPERATIONS_ROUTES
from token_verification import AccessTokenVerifier, RemoteKeySet
from token_verification.fastapi import protect

PUBLIC_ROUTES = OPERATIONS_ROUTES
"""All else needs an access token."""


def create_app(
    settings: Settings,
    *,
    network: httpx.AsyncBaseTransport | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Return the service, which opens its database and its key set when it starts and closes them when it ends.

    `network` carries the fetches of the key set, the real one by default; `clock` gives seconds since the epoch.
    """
    database = Database.of(settings)
    # Proxies of the environment are for the way out, never for the way to our own issuer.
    http = httpx.AsyncClient(transport=network, trust_env=False, timeout=settings.key_set_deadline)
    key_set = RemoteKeySet(
        settings.jwks_uri,
        issuer=settings.issuer,
        http=http,
        stored_at=settings.key_set_file,
        default_max_age=settings.key_set_max_age,
        retry_first=settings.key_set_retry_first,
        retry_last=settings.key_set_retry_last,
        cooldown=settings.key_set_cooldown,
        keep_for=settings.key_set_keep_for,
        deadline=settings.key_set_deadline,
        wall_clock=clock,
    )
    verifier = AccessTokenVerifier(
        issuer=settings.issuer,
        audience=settings.audience,
        key_set=key_set,
        leeway=settings.leeway,
        max_life=settings.max_token_life,
        clock=clock,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await database.migrate("profile_service")
            async with http, key_set:
                yield
        finally:
            await database.close()

    app = FastAPI(
        title="Signet profile",
        description="Each caller's own profile.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.profiles = Profiles(database)
    app.include_router(endpoints.router)
    take_json(app, media_types=endpoints.MEDIA_TYPES)
    protect(app, verifier, public=PUBLIC_ROUTES)
    observe(app, readiness={"database": database.ready, "keys": key_set.ready})
    return app
