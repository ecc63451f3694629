"""Who is let in: nobody without a good token, nobody without the scope, whether or not the issuer is there."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from services.profile.tests.conftest import until_it_knows

from profile_service.app import create_app
from profile_service.settings import Settings
from token_verification.forgeries import FORGERIES, Forgery
from token_verification.route_walk import unprotected_routes
from token_verification.testing import FakeIssuer

Bearer = Callable[..., dict[str, str]]
Start = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]

OPEN_ROUTES = {"GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json"}


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
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://profile.test") as client,
    ):
        await until_it_knows(client)
        yield issuer, client


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
async def test_a_forgery_is_refused(forgery: Forgery, target: tuple[FakeIssuer, httpx.AsyncClient]) -> None:
    """Profile refuses each forgery for the reason it was made for."""
    issuer, client = target
    attempt = forgery.make(issuer, "urn:signet:profile")
    answer = await client.get(f"/api/profile?{attempt.query}", headers=attempt.headers)
    assert (answer.status_code, answer.json()["reason"]) == (forgery.status, forgery.reason)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_every_route_denies_without_a_token(app: FastAPI, client: httpx.AsyncClient) -> None:
    """But for the probes and the document, which the gateway does not show."""
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


@pytest.mark.parametrize(("ahead", "status"), [(4, 200), (-4, 200), (30, 401), (-330, 401)])
async def test_clocks_may_differ_by_four_seconds_and_not_by_thirty(
    settings: Settings, issuer: FakeIssuer, start: Start, ahead: int, status: int
) -> None:
    """The issuer's clock is ahead, or behind by more than the token's life."""
    async with start(create_app(settings, network=issuer.transport)) as client:
        issuer.clock = lambda: time.time() + ahead - (300 if ahead == -4 else 0)
        answer = await client.get(
            "/api/profile", headers={"Authorization": f"Bearer {issuer.token(scope='profile:read')}"}
        )
    assert answer.status_code == status


async def test_known_keys_go_on_verifying_while_the_issuer_is_down(
    client: httpx.AsyncClient, issuer: FakeIssuer, bearer: Bearer
) -> None:
    """The issuer is not asked on the way of a request."""
    await client.get("/api/profile")
    issuer.behaviour = "down"
    answers = [await client.get("/api/profile", headers=bearer()) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert issuer.requests == 1
    assert (await client.get("/readyz")).status_code == 200


async def test_a_restart_without_the_issuer_uses_the_set_on_disk(
    settings: Settings, issuer: FakeIssuer, start: Start
) -> None:
    """What was fetched before the restart verifies after it."""
    async with start(create_app(settings, network=issuer.transport)) as client:
        await client.get("/api/profile")
    issuer.behaviour = "down"
    async with start(create_app(settings, network=issuer.transport)) as client:
        assert (await client.get("/api/profile")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_a_login_that_has_ended_is_refused_also_after_a_restart_without_the_issuer(
    settings: Settings, issuer: FakeIssuer, start: Start, bearer: Bearer
) -> None:
    """Its token has minutes to live, and its signature is good; another login of the same person goes on."""
    token, other = bearer(sid="ended"), bearer(sid="other")
    async with start(create_app(settings, network=issuer.transport)) as client:
        assert (await client.get("/api/profile", headers=token)).status_code == 200
        await until_it_knows(client, issuer.revoke(sid="ended"))
        await refused_is_one_and_not_the_other(client, token, other)
    issuer.behaviour = issuer.feed.behaviour = "down"
    async with start(create_app(settings, network=issuer.transport)) as client:
        await refused_is_one_and_not_the_other(client, token, other)


async def refused_is_one_and_not_the_other(
    client: httpx.AsyncClient, ended: dict[str, str], other: dict[str, str]
) -> None:
    refused = await client.get("/api/profile", headers=ended)
    assert (refused.status_code, refused.json()["reason"]) == (401, "login_ended")
    assert (await client.get("/api/profile", headers=other)).status_code == 200


async def test_without_any_keys_the_answer_is_503_and_not_401(app: FastAPI, issuer: FakeIssuer, start: Start) -> None:
    """A client must not throw its token away; the process is alive and says that it is not ready."""
    issuer.behaviour = "down"
    async with start(app) as client:
        answer = await client.get("/api/profile")
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
    await client.get("/api/profile")
    for number in range(200):
        stray = {"Authorization": f"Bearer {issuer.token(header={'kid': f'stray-{number}'})}"}
        assert (await client.get("/api/profile", headers=stray)).json()["reason"] == "unknown_kid"
    assert (await client.get("/api/profile", headers=bearer())).status_code == 200
    assert issuer.requests == 1
