"""Who is let in: nobody without a good token, and nobody without the scope."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from tests.resource_server_promises import ResourceServerPromises
from tests.resource_server_running import Bearer, started

from profile_service.app import create_app
from profile_service.settings import Settings
from token_verification.testing import FakeIssuer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[FakeIssuer, httpx.AsyncClient]]:
    """Give one running service for the whole table: no forgery changes it."""
    folder = tmp_path_factory.mktemp("forgeries")
    issuer = FakeIssuer(audience="urn:signet:profile")
    settings = Settings(
        DATABASE_URL=f"sqlite+aiosqlite:///{folder}/profile.db",
        port=1,
        issuer=issuer.issuer,
        jwks_uri=issuer.jwks_uri,
        key_set_file=folder / "key_set.json",
        revocations_url=issuer.feed_uri,
        revocations_folder=folder / "revocations",
    )
    app = create_app(settings, network=issuer.transport)
    async with started(app, headers={}) as client:
        yield issuer, client


class TestProfile(ResourceServerPromises):
    """Profile keeps what every resource server promises."""

    audience = "urn:signet:profile"
    path = "/api/profile"
    make_app = staticmethod(create_app)


async def test_the_document_says_which_routes_need_which_scope(client: httpx.AsyncClient) -> None:
    """OpenAPI declares the security scheme on each protected route, with the scope that it needs."""
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["access_token"]["scheme"] == "bearer"
    declared = {
        (method, path): operation["security"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert declared == {
        ("get", "/api/profile"): [{"access_token": ["profile:read"]}],
        ("patch", "/api/profile"): [{"access_token": ["profile:write"]}],
        ("get", "/api/profiles/{sub}"): [{"access_token": ["profiles:read"]}],
    }


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/profile", "profile:read"),
        ("PATCH", "/api/profile", "profile:write"),
        ("GET", "/api/profiles/subject-1", "profiles:read"),
    ],
)
async def test_a_missing_scope_is_named(
    client: httpx.AsyncClient, bearer: Bearer, method: str, path: str, scope: str
) -> None:
    """403 with the scope, in the challenge and in the problem, for a token with all the others."""
    others = " ".join({"profile:read", "profile:write", "profiles:read"} - {scope})
    answer = await client.request(method, path, headers=bearer(scope=others) | {"If-Match": "*"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")
    assert answer.json()["scope"] == scope
    assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]
