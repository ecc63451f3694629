"""Who is let in: nobody without a good token, and nobody without the scope."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from services.orders.tests.neighbours import PROFILE_URL, TOKEN_ENDPOINT
from tests.resource_server_promises import ResourceServerPromises
from tests.resource_server_running import Bearer, started

from orders_service.app import create_app
from orders_service.settings import Settings
from token_verification.testing import FakeIssuer


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
    async with started(app, headers={}) as client:
        yield issuer, client


class TestOrders(ResourceServerPromises):
    """Orders keeps what every resource server promises."""

    audience = "urn:signet:orders"
    path = "/api/orders"
    public = frozenset({"GET /api/catalogue", "GET /.well-known/jwks.json"})
    make_app = staticmethod(create_app)


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
