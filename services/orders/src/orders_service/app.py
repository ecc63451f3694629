"""Puts orders together: the only place where its parts are wired."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from orders_service import endpoints
from orders_service.catalogue import Catalogue
from orders_service.client_key import OwnClientKey
from orders_service.client_key_endpoint import client_key_router
from orders_service.delivery import DeliveryAddresses
from orders_service.orders import Orders, OrderStates, Placing
from orders_service.settings import Settings
from service_chassis.database import Database
from service_chassis.fit_out import NO_TELEMETRY, take_json
from service_chassis.operations import OPERATIONS_ROUTES
from service_chassis.resource_server import ResourceServer
from service_chassis.tracing import outgoing_headers
from token_verification.client_assertion import ClientAssertions
from token_verification.token_exchange import TokenExchange

PUBLIC_ROUTES = OPERATIONS_ROUTES | {"GET /api/catalogue", "GET /.well-known/jwks.json"}
"""All else needs an access token."""


def own_client_key(settings: Settings, database: Database) -> OwnClientKey:
    """Return orders' client key as the settings have it, not opened."""
    return OwnClientKey(
        database, key_encryption_key_file=settings.key_encryption_key_file, bits=settings.client_key_bits
    )


def create_app(
    settings: Settings,
    *,
    network: httpx.AsyncBaseTransport | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Return the service, which opens its database and its key set when it starts and closes them when it ends.

    `network` carries what is asked of other services, the real one by default; `clock` gives seconds since the epoch.
    """
    database = Database.of(settings)
    resource_server = ResourceServer(settings, network=network, clock=clock)
    client_key = own_client_key(settings, database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            await database.migrate("orders_service")
            await client_key.open()
            app.state.token_exchange = TokenExchange(
                settings.token_endpoint,
                assertions=ClientAssertions(
                    settings.client_id,
                    client_key.key,
                    issuer=settings.issuer,
                    life=settings.client_assertion_life,
                    clock=clock,
                ),
                http=resource_server.http,
                deadline=settings.exchange_deadline,
                headers=outgoing_headers,
            )
            app.state.delivery_addresses = DeliveryAddresses(
                app.state.token_exchange,
                resource_server.http,
                profile_url=settings.profile_url,
                resource=settings.profile_audience,
                deadline=settings.delivery_deadline,
                at_once=settings.delivery_look_ups,
                headers=outgoing_headers,
            )
            async with resource_server:
                yield
        finally:
            await database.close()

    app = FastAPI(
        title="Signet orders",
        description="The catalogue, and each caller's own orders.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state.catalogue = Catalogue(database)
    app.state.orders = Orders(database)
    app.state.placing = Placing(database, clock=clock, keep_for=settings.idempotency_keep_for)
    app.state.order_states = OrderStates(database, clock=clock)
    app.include_router(endpoints.router)
    app.include_router(client_key_router(client_key, max_age=settings.client_key_set_max_age))
    take_json(app)
    resource_server.protect(app, public=PUBLIC_ROUTES)
    resource_server.observe(app, name="orders", readiness={"database": database.ready, "client_key": client_key.ready})
    return app
