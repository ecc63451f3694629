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
from service_chassis.direct_route import serve_directly
from service_chassis.fit_out import NO_TELEMETRY, take_json
from service_chassis.operations import OPERATIONS_ROUTES
from service_chassis.resource_server import ResourceServer

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
    resource_server = ResourceServer(settings, network=network, clock=clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await database.migrate("profile_service")
            async with resource_server:
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
        telemetry=NO_TELEMETRY,
    )
    app.state.profiles = Profiles(database)
    app.include_router(endpoints.router)
    take_json(app, media_types=endpoints.MEDIA_TYPES)
    serve_directly(app, endpoints.read_own_profile)
    resource_server.protect(app, public=PUBLIC_ROUTES)
    resource_server.observe(app, name="profile", readiness={"database": database.ready})
    return app
