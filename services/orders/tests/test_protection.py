"""Who is let in: nobody without a good token, nobody without the scope, whether or not the issuer is there."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from services.orders.tests.conftest import Bearer, Start, until_it_knows
from services.orders.tests.neighbours import PROFILE_URL, TOKEN_ENDPOINT

from orders_service.app import create_app
from orders_service.settings import Settings
from token_verification.forgeries import FORGERIES, Forgery
from token_verification.route_walk import unprotected_routes
from token_verification.testing import FakeIssuer

OPEN_ROUTES = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /api/catalogue",
    "GET /.well-known/jwks.json",
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: it is about tokens."""
    return sqlite_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[FakeIssuer, httpx.AsyncClient]]:
    """Give one running service for the whole table: no forgery changes it."""
    folder = tmp_path_factory.mktemp("forgeries")
    issuer = FakeIssuer(audience="urn:signet:orders")
    settings = Settings(
        DATABASE_URL=f"sqlite+aiosqlite:///{folder}/orders.db",
        port=1,
        issuer=issuer.issuer,
        jwks_uri=issuer.jwks_uri,
        key_set_file=folder / "key_set.json",
        revocations_url=issuer.feed_uri,
        revocations_folder=folder / "revocations",
        token_endpoint=TOKEN_ENDPOINT,
        profile_url=PROFILE_URL,
        key_encryption_key_file=folder / "kek",
        client_key_bits=2048,
    )
    app = create_app(settings, network=issuer.transport)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://orders.test") as client,
    ):
        await until_it_knows(client)
        yield issuer, client


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
async def test_a_forgery_is_refused(forgery: Forgery, target: tuple[FakeIssuer, httpx.AsyncClient]) -> None:
    """Orders refuses each forgery for the reason it was made for."""
    issuer, client = target
    attempt = forgery.make(issuer, "urn:signet:orders")
    answer = await client.get(f"/api/orders?{attempt.query}", headers=attempt.headers)
    assert (answer.status_code, answer.json()["reason"]) == (forgery.status, forgery.reason)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_every_route_denies_without_a_token(app: FastAPI, client: httpx.AsyncClient) -> None:
    """But for the catalogue, and for the probes and the document, which the gateway does not show."""
    assert await unprotected_routes(app) == OPEN_ROUTES


async def test_what_does_not_exist_denies_too(client: httpx.AsyncClient) -> None:
    """Without a token nobody learns which paths there are."""
    del client.headers["Authorization"]
    for path in ("/api/nothing", "/", "/healthz/"):
        assert (await client.get(path)).status_code == 401


async def test_the_document_says_which_routes_need_which_scope(client: httpx.AsyncClient) -> None:
    """OpenAPI declares the security scheme on each protected route, with the scope that it needs."""
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["access_token"]["scheme"] == "bearer"
    declared = {
        (method, path): operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert declared == {
        ("get", "/api/catalogue"): None,
        ("get", "/.well-known/jwks.json"): None,
        ("get", "/api/orders"): [{"access_token": ["orders:read"]}],
        ("post", "/api/orders"): [{"access_token": ["orders:write"]}],
        ("get", "/api/orders/{order_id}"): [{"access_token": ["orders:read"]}],
        ("post", "/api/orders/{order_id}/cancel"): [{"access_token": ["orders:write"]}],
        ("post", "/api/orders/{order_id}/ship"): [{"access_token": ["orders:ship"]}],
        ("put", "/api/orders/{order_id}/delivery-address"): [{"access_token": ["orders:write"]}],
    }


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/orders", "orders:read"),
        ("POST", "/api/orders", "orders:write"),
        ("GET", "/api/orders/ord_x", "orders:read"),
        ("POST", "/api/orders/ord_x/cancel", "orders:write"),
        ("POST", "/api/orders/ord_x/ship", "orders:ship"),
        ("PUT", "/api/orders/ord_x/delivery-address", "orders:write"),
    ],
)
async def test_a_missing_scope_is_named(
    client: httpx.AsyncClient, bearer: Bearer, method: str, path: str, scope: str
) -> None:
    """403 with the scope, in the challenge and in the problem, for a token with all the others."""
    others = " ".join({"orders:read", "orders:write", "orders:ship", "profile:read"} - {scope})
    answer = await client.request(method, path, headers=bearer(scope=others))
    assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")
    assert answer.json()["scope"] == scope
    assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("ahead", "status"), [(4, 200), (-4, 200), (30, 401), (-330, 401)])
async def test_clocks_may_differ_by_four_seconds_and_not_by_thirty(
    settings: Settings, issuer: FakeIssuer, start: Start, ahead: int, status: int
) -> None:
    """The issuer's clock is ahead, or behind by more than the token's life."""
    async with start(create_app(settings, network=issuer.transport)) as client:
        issuer.clock = lambda: time.time() + ahead - (300 if ahead == -4 else 0)
        answer = await client.get(
            "/api/orders", headers={"Authorization": f"Bearer {issuer.token(scope='orders:read')}"}
        )
    assert answer.status_code == status


async def test_known_keys_go_on_verifying_while_the_issuer_is_down(
    client: httpx.AsyncClient, issuer: FakeIssuer, bearer: Bearer
) -> None:
    """The issuer is not asked on the way of a request."""
    await client.get("/api/orders")
    issuer.behaviour = "down"
    answers = [await client.get("/api/orders", headers=bearer()) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert issuer.requests == 1
    assert (await client.get("/readyz")).status_code == 200


async def test_a_restart_without_the_issuer_uses_the_set_on_disk(
    settings: Settings, issuer: FakeIssuer, start: Start
) -> None:
    """What was fetched before the restart verifies after it."""
    async with start(create_app(settings, network=issuer.transport)) as client:
        await client.get("/api/orders")
    issuer.behaviour = "down"
    async with start(create_app(settings, network=issuer.transport)) as client:
        assert (await client.get("/api/orders")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_a_login_that_has_ended_is_refused_also_after_a_restart_without_the_issuer(
    settings: Settings, issuer: FakeIssuer, start: Start, bearer: Bearer
) -> None:
    """Its token has minutes to live, and its signature is good; another login of the same person goes on."""
    token, other = bearer(sid="ended"), bearer(sid="other")
    async with start(create_app(settings, network=issuer.transport)) as client:
        assert (await client.get("/api/orders", headers=token)).status_code == 200
        await until_it_knows(client, issuer.revoke(sid="ended"))
        await refused_is_one_and_not_the_other(client, token, other)
    issuer.behaviour = issuer.feed.behaviour = "down"
    async with start(create_app(settings, network=issuer.transport)) as client:
        await refused_is_one_and_not_the_other(client, token, other)


async def refused_is_one_and_not_the_other(
    client: httpx.AsyncClient, ended: dict[str, str], other: dict[str, str]
) -> None:
    refused = await client.get("/api/orders", headers=ended)
    assert (refused.status_code, refused.json()["reason"]) == (401, "login_ended")
    assert (await client.get("/api/orders", headers=other)).status_code == 200


async def test_without_any_keys_the_answer_is_503_and_not_401(app: FastAPI, issuer: FakeIssuer, start: Start) -> None:
    """A client must not throw its token away; the process is alive and says that it is not ready."""
    issuer.behaviour = "down"
    async with start(app) as client:
        answer = await client.get("/api/orders")
        assert (answer.status_code, answer.json()["reason"]) == (503, "keys_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "ready")
        assert ready.json()["checks"]["keys"] != "ready"
        assert (await client.get("/healthz")).status_code == 200


async def test_a_flood_of_unknown_kids_causes_one_fetch(
    client: httpx.AsyncClient, issuer: FakeIssuer, bearer: Bearer
) -> None:
    """Within the cooldown no unknown key id makes another fetch, and good tokens pass meanwhile."""
    await client.get("/api/orders")
    for number in range(200):
        stray = {"Authorization": f"Bearer {issuer.token(header={'kid': f'stray-{number}'})}"}
        assert (await client.get("/api/orders", headers=stray)).json()["reason"] == "unknown_kid"
    assert (await client.get("/api/orders", headers=bearer())).status_code == 200
    assert issuer.requests == 1
