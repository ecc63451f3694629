"""Puts the twin together: the only place where its parts are wired."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from fastapi import FastAPI

import profile_service.endpoints
from auth_service.passwords import Passwords
from orders_service.endpoints import list_orders
from orders_service.orders import Orders, Page
from profile_service.profiles import Profiles
from service_chassis.database import Database
from service_chassis.direct_route import serve_directly
from service_chassis.fit_out import NO_TELEMETRY, observe, take_json
from service_chassis.operations import OPERATIONS_ROUTES
from service_chassis.resource_server import MeasuredVerifier
from session_twin.accounts import Accounts
from session_twin.endpoints import session_router
from session_twin.protection import IdFromCookie, SessionCheck
from session_twin.sessions import Sessions
from session_twin.settings import Settings
from session_twin.stores import SessionStore
from session_twin.stores.memory import MemoryStore
from session_twin.stores.sqlite import DatabaseStore
from session_twin.stores.valkey import ValkeyStore
from token_verification.fastapi import protect, requires_scope

PUBLIC_ROUTES = OPERATIONS_ROUTES | {"POST /register", "POST /login"}
"""All else needs a session."""


def create_app(
    settings: Settings, *, clock: Callable[[], float] = time.time, hasher: PasswordHasher | None = None
) -> FastAPI:
    """Return the app, which opens its database and its store when it starts and closes them when it ends.

    `clock` gives seconds since the epoch; `hasher` is auth's, unless a test has a cheaper one.
    """
    database = Database.of(settings)
    store = _store(settings, database, clock)
    passwords = Passwords(threads=settings.hashing_threads, queue=settings.hashing_queue, hasher=hasher)
    sessions = Sessions(
        store, idle_life=settings.session_idle_life, absolute_life=settings.session_absolute_life, now=clock
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await database.migrate("session_twin")
            await store.open()
            yield
        finally:
            passwords.close()
            await store.close()
            await database.close()

    app = FastAPI(
        title="Session twin",
        description="The same small app with sessions.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state.sessions_store = store
    app.state.profiles = Profiles(database)
    app.state.orders = Orders(database)
    app.include_router(
        session_router(Accounts(database, passwords), sessions, absolute_life=settings.session_absolute_life)
    )
    app.include_router(profile_service.endpoints.router)
    app.add_api_route("/api/orders", list_orders, dependencies=[requires_scope("orders:read")], response_model=Page)
    take_json(app, media_types=profile_service.endpoints.MEDIA_TYPES)
    # As profile does it: what profile saves on this path, the twin must save as well.
    serve_directly(app, profile_service.endpoints.read_own_profile)
    check = SessionCheck(sessions)
    protect(app, MeasuredVerifier(check) if settings.server_timing else check, public=PUBLIC_ROUTES)
    app.add_middleware(IdFromCookie)
    timed_as = "session" if settings.server_timing else None
    observe(app, readiness={"database": database.ready, "sessions": store.ready}, timed_as=timed_as)
    return app


def _store(settings: Settings, database: Database, clock: Callable[[], float]) -> SessionStore:
    match settings.session_store:
        case "memory":
            return MemoryStore()
        case "sqlite":
            return DatabaseStore(database)
        case "valkey":
            assert settings.session_store_url is not None  # noqa: S101 -- the settings have seen to it
            return ValkeyStore(settings.session_store_url, now=clock)
