"""Auth and orders as they are, each asking the other: the key set one way, the exchange the other way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from services.auth.tests.exchanging import ISSUER, ORDERS, read

import orders_service.app
import orders_service.settings
from auth_service.app import create_app
from token_verification.token_exchange import ExchangeRefused, ExchangeUnavailable, TokenExchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI
    from services.auth.tests.conftest import Auth


class Network(httpx.AsyncBaseTransport):
    """Carries a request to the application of its host, unless that one is cut off."""

    def __init__(self) -> None:
        self.hosts: dict[str, FastAPI] = {}
        self.cut_off: set[str] = set()
        self.requests: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve one request."""
        self.requests.append((request.method, f"{request.url.host}{request.url.path}"))
        if request.url.host in self.cut_off:
            raise httpx.ConnectError("cut off", request=request)
        return await httpx.ASGITransport(self.hosts[request.url.host]).handle_async_request(request)


class Pair:
    """Both services, and the network between them."""

    def __init__(self, auth: Auth, orders: FastAPI, network: Network) -> None:
        self.auth = auth
        self.orders = orders
        self.network = network

    @property
    def exchange(self) -> TokenExchange:
        """What orders' handlers use."""
        exchange: TokenExchange = self.orders.state.token_exchange
        return exchange

    async def log_in(self, **wishes: Any) -> str:  # noqa: ANN401 -- as a login takes it
        """Return Ada's token."""
        return str((await self.auth.log_in(**wishes)).json()["access_token"])


@pytest.fixture
async def pair(auth: Auth, tmp_path: Path) -> AsyncIterator[Pair]:
    """Run a replica of auth that knows orders, and orders."""
    await auth.register()
    network = Network()
    settings = auth.settings.model_validate(
        auth.settings.model_dump() | {"services": [ORDERS], "client_key_set_cooldown": 0.01}
    )
    network.hosts["auth.test"] = create_app(settings, clock=auth.clock, hasher=auth.hasher, network=network)
    network.hosts["orders.test"] = orders = orders_service.app.create_app(
        orders_service.settings.Settings(
            DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/orders.db",
            port=1,
            issuer=ISSUER,
            jwks_uri="http://auth.test/.well-known/jwks.json",
            key_set_file=tmp_path / "key_set.json",
            revocations_mode="plain",
            token_endpoint="http://auth.test/oauth/token",
            profile_url="http://profile.test",
            key_encryption_key_file=tmp_path / "orders-secrets" / "kek",
            client_key_bits=2048,
        ),
        network=network,
        clock=auth.clock,
    )
    async with (
        network.hosts["auth.test"].router.lifespan_context(network.hosts["auth.test"]),
        orders.router.lifespan_context(orders),
    ):
        yield Pair(auth, orders, network)


async def test_orders_gets_a_token_for_profile(pair: Pair) -> None:
    """Nothing was configured but addresses: orders' key is its own, and auth learned its public half by asking."""
    token = await pair.log_in(resource="urn:signet:orders")
    got = read(await pair.exchange.exchange(token, "urn:signet:profile", "profile:read"))
    assert (got["sub"], got["aud"], got["scope"]) == (read(token)["sub"], ["urn:signet:profile"], "profile:read")
    assert (got["client_id"], got["act"]) == ("orders", {"sub": "orders"})
    for _ in range(3):
        await pair.exchange.exchange(token, "urn:signet:profile", "profile:read")
    assert pair.network.requests.count(("GET", "orders.test/.well-known/jwks.json")) == 1
    assert pair.network.requests.count(("POST", "auth.test/oauth/token")) == 4


async def test_orders_is_told_what_it_cannot_have(pair: Pair) -> None:
    """Each refusal arrives as one, with OAuth's code and the finer reason."""
    token = await pair.log_in()
    for subject, resource, scope, expected in (
        (token, "urn:signet:auth", "profile:read", ("invalid_target", "invalid_target")),
        (token, "urn:signet:profile", "profile:write", ("invalid_scope", "invalid_scope")),
        (
            await pair.log_in(resource="urn:signet:profile"),
            "urn:signet:profile",
            "profile:read",
            ("invalid_request", "wrong_audience"),
        ),
    ):
        with pytest.raises(ExchangeRefused) as refusal:
            await pair.exchange.exchange(subject, resource, scope)
        assert (refusal.value.error, refusal.value.reason) == expected
    pair.auth.clock.now += 301
    with pytest.raises(ExchangeRefused) as refusal:
        await pair.exchange.exchange(token, "urn:signet:profile", "profile:read")
    assert refusal.value.reason == "expired"


async def test_orders_is_told_when_nobody_can_tell(pair: Pair) -> None:
    """With auth away, and with orders' own key set out of auth's reach, the exchange is unavailable and not refused."""
    token = await pair.log_in()
    for host in ("auth.test", "orders.test"):
        pair.network.cut_off = {host}
        with pytest.raises(ExchangeUnavailable):
            await pair.exchange.exchange(token, "urn:signet:profile", "profile:read")
    pair.network.cut_off = set()


async def test_orders_clock_may_be_a_little_off(pair: Pair) -> None:
    """Within the leeway the proof is good; beyond it, orders is refused like anyone with a bad proof."""
    token = await pair.log_in()
    await pair.exchange.exchange(token, "urn:signet:profile", "profile:read")
    assertions = pair.exchange._assertions
    here = pair.auth.clock
    for off, good in ((4, True), (-64, True), (6, False), (-66, False)):
        assertions._clock = lambda off=off: here.now + off  # type: ignore[misc]
        if good:
            await pair.exchange.exchange(token, "urn:signet:profile", "profile:read")
        else:
            with pytest.raises(ExchangeRefused) as refusal:
                await pair.exchange.exchange(token, "urn:signet:profile", "profile:read")
            assert refusal.value.error == "invalid_client"
