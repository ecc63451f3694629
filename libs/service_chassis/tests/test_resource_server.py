"""What every resource server has alike, around an application of two routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from service_chassis.fit_out import take_json
from service_chassis.operations import OPERATIONS_ROUTES
from service_chassis.resource_server import ResourceServer, ResourceServerSettings
from token_verification.testing import FakeIssuer


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer(audience="urn:signet:parcels")


@pytest.fixture
def values(tmp_path: Path, issuer: FakeIssuer) -> dict[str, Any]:
    return {
        "database_url": "sqlite+aiosqlite:////nowhere/parcels.db",
        "port": 1,
        "issuer": issuer.issuer,
        "audience": "urn:signet:parcels",
        "jwks_uri": issuer.jwks_uri,
        "key_set_file": tmp_path / "key-set.json",
        "revocations_url": issuer.feed_uri,
        "revocations_folder": tmp_path / "revocations",
    }


@asynccontextmanager
async def running(issuer: FakeIssuer, values: dict[str, Any], **deviations: object) -> AsyncIterator[httpx.AsyncClient]:
    """Start a service, and give a client whose token is good."""
    resource_server = ResourceServer(ResourceServerSettings(**values | deviations), network=issuer.transport)
    app = FastAPI()

    @app.get("/parcels")
    async def parcels() -> str:
        return "all"

    @app.post("/parcels")
    async def send() -> str:
        return "sent"

    take_json(app)
    resource_server.protect(app, public=OPERATIONS_ROUTES)
    resource_server.observe(app, name="parcels", readiness={})
    headers = {"Authorization": f"Bearer {issuer.token(sid='login-1')}"}
    async with (
        resource_server,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://parcels.test", headers=headers
        ) as client,
    ):
        yield client


async def answer(client: httpx.AsyncClient, method: str = "GET") -> tuple[int, str]:
    """Return the status, and the reason or what was got."""
    got = await client.request(method, "/parcels")
    return got.status_code, got.json() if got.status_code == 200 else got.json()["reason"]


async def until(client: httpx.AsyncClient, method: str, expected: tuple[int, str]) -> None:
    async with asyncio.timeout(20):
        while await answer(client, method) != expected:  # noqa: ASYNC110 -- asked over and over, as a client would
            await asyncio.sleep(0.01)


async def about(client: httpx.AsyncClient, seq: int) -> dict[str, Any]:
    """Return what `/readyz` says of the feed, once it is applied up to a seq."""
    async with asyncio.timeout(20):
        while True:
            said: dict[str, Any] = (await client.get("/readyz")).json()["revocations"]
            if said["seq"] >= seq:
                return said
            await asyncio.sleep(0.01)


async def test_a_follower_serves_once_it_knows_and_goes_on_when_the_feed_is_lost(
    issuer: FakeIssuer, values: dict[str, Any]
) -> None:
    """503 and not ready before the first complete read; a feed that is lost afterwards changes nothing."""
    issuer.feed.behaviour = "down"
    async with running(issuer, values, revocations_retry_last=0.1) as client:
        await until(client, "GET", (503, "revocations_unavailable"))
        readiness = await client.get("/readyz")
        assert readiness.status_code == 503
        assert readiness.json()["checks"]["revocations"].startswith("It is not known yet")
        assert readiness.json()["revocations"] == {"mode": "follow", "seq": 0, "age": None}
        issuer.feed.behaviour = "well"
        await until(client, "POST", (200, "sent"))
        assert (await client.get("/readyz")).status_code == 200
        issuer.feed.behaviour = "down"
        issuer.feed.wake()
        assert await answer(client, "POST") == (200, "sent")


async def test_a_strict_one_refuses_changes_first_and_then_everything(
    issuer: FakeIssuer, values: dict[str, Any]
) -> None:
    """The ages are settings. Once the feed is back, it serves again."""
    ages = {"revocations_max_age_for_changes": 1.5, "revocations_max_age": 4.0, "revocations_retry_last": 0.1}
    async with running(issuer, values, revocations_mode="strict", **ages) as client:
        await until(client, "POST", (200, "sent"))
        issuer.feed.behaviour = "down"
        issuer.feed.wake()
        await until(client, "POST", (503, "revocations_unavailable"))
        assert await answer(client, "GET") == (200, "all")
        await until(client, "GET", (503, "revocations_unavailable"))
        assert (await client.get("/readyz")).status_code == 503
        issuer.feed.behaviour = "well"
        await until(client, "POST", (200, "sent"))


async def test_a_plain_one_honours_an_ended_login_and_never_asks(issuer: FakeIssuer, values: dict[str, Any]) -> None:
    """It needs no feed, is ready without one, and says what it is."""
    issuer.revoke(sid="login-1")
    deviations = {"revocations_url": None, "revocations_folder": None}
    async with running(issuer, values, revocations_mode="plain", **deviations) as client:
        assert await answer(client, "POST") == (200, "sent")
        readiness = (await client.get("/readyz")).json()
        assert readiness["ready"] is True
        assert readiness["checks"] == {"keys": "ready"}
        assert readiness["revocations"] == {"mode": "plain"}
        assert "revocations" not in (await client.get("/metrics")).text
    assert issuer.feed.requests == 0


async def test_an_operator_is_told_how_far_and_how_fresh(issuer: FakeIssuer, values: dict[str, Any]) -> None:
    """`/readyz` and `/metrics` name the seq, the age and how much is remembered."""
    async with running(issuer, values) as client:
        await until(client, "GET", (200, "all"))
        seq = issuer.revoke(sid="login-1")
        await until(client, "GET", (401, "login_ended"))
        said = await about(client, seq)
        figures = dict(line.rsplit(" ", 1) for line in (await client.get("/metrics")).text.splitlines())
    assert (said["mode"], said["seq"]) == ("follow", seq)
    assert 0 <= said["age"] < 20
    assert int(float(figures["revocations_seq"])) == seq
    assert 0 <= float(figures["revocations_age_seconds"]) < 20
    expected = {"revocations_remembered": 1, "revocations_failures_total": 0, "revocations_on_disk": 1}
    assert {name: float(figures[name]) for name in expected} == expected
    assert float(figures["revocations_answers_total"]) >= 2


@pytest.mark.parametrize("mode", ["follow", "strict"])
def test_only_a_plain_one_goes_without_a_feed(values: dict[str, Any], mode: str) -> None:
    """Whoever forgets to say where the feed is does not find out by a token that lives too long."""
    for name in ("revocations_url", "revocations_folder"):
        with pytest.raises(ValidationError, match="only SIGNET_REVOCATIONS_MODE=plain goes without") as refusal:
            ResourceServerSettings(**{**values, "revocations_mode": mode, name: None})
        assert [fault["loc"] for fault in refusal.value.errors()] == [(name,)]


@pytest.mark.parametrize("shown", [True, False])
async def test_what_verifying_took_is_said_where_that_is_switched_on(
    issuer: FakeIssuer, values: dict[str, Any], *, shown: bool
) -> None:
    """A check is a part of the answer's time: of a good token's, and of a refusal's too."""
    async with running(issuer, values, server_timing=shown, revocations_mode="plain") as client:
        await until(client, "GET", (200, "all"))
        good = await client.get("/parcels")
        refused = await client.get("/parcels", headers={"Authorization": "Bearer of.bad.news"})
    assert (good.status_code, refused.status_code) == (200, 401)
    for each in (good, refused):
        names = [field.partition(";")[0] for field in each.headers.get("server-timing", "").split(", ")]
        assert names == (["parcels", "verify"] if shown else [""])
