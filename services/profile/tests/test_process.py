"""`python -m profile_service`: the process as it is run, with the issuer away."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from typing import Any

import pytest
from tests.issuer_over_http import IssuerOverHttp
from tests.resource_server_running import Start, process
from tests.workers import workers_at

from profile_service.app import create_app
from profile_service.settings import Settings
from token_verification.fake_revocation_endpoint import FakeRevocationEndpoint
from token_verification.testing import FakeIssuer


async def test_a_process_restarted_without_the_issuer_serves_and_logs_no_secret(
    settings: Settings, issuer: FakeIssuer, start: Start
) -> None:
    """It verifies with the set on disk; no token, and nothing that the caller wrote, is in its log."""
    async with start(create_app(settings, network=issuer.transport)) as client:
        await client.get("/api/profile")
    token = issuer.token(scope="profile:read profile:write", name="Zacharias")
    forged = issuer.token()[:-8] + "forgedAA"
    bearer = {"Authorization": f"Bearer {token}"}
    async with process("profile_service", settings) as (running, client):
        assert (await client.get("/readyz")).status_code == 200
        patch = {"display_name": "Quirinius", "bio": "Sesquipedalian"}
        answer = await client.patch("/api/profile", json=patch, headers=bearer | {"If-Match": "*"})
        assert answer.status_code == 200
        bad = {"display_name": "Quirinius\n", "Xylophon": "Sesquipedalian", "locale": "Zacharias"}
        assert (await client.patch("/api/profile", json=bad, headers=bearer | {"If-Match": "*"})).status_code == 422
        refused = await client.get("/api/profile", headers={"Authorization": f"Bearer {forged}"})
        assert refused.json()["reason"] == "bad_signature"
        running.send_signal(signal.SIGTERM)
        _, log = await running.communicate()
    events = [json.loads(line) for line in log.decode().splitlines()]
    assert "Application shutdown complete." in [event["event"] for event in events]
    changed = [event for event in events if event["event"] == "profile_changed"]
    assert [event["sub"] for event in changed] == ["subject-1"]
    assert changed[0]["request_id"] == answer.headers["X-Request-Id"]
    secrets = (*token.split("."), *forged.split("."), "Quirinius", "Sesquipedalian", "Zacharias", "Xylophon")
    assert [secret for secret in secrets if secret.encode() in log] == []


async def test_two_processes_start_at_once_on_a_database_that_does_not_exist(settings: Settings) -> None:
    """Both migrate, and neither fails."""

    async def readiness() -> object:
        async with process("profile_service", settings) as (_, client):
            return (await client.get("/readyz")).json()["checks"]["database"]

    assert list(await asyncio.gather(readiness(), readiness())) == ["ready", "ready"]


async def test_every_worker_is_ready_from_the_first_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the feed answers one question alone: it was asked for all of them, before there were any."""
    well = FakeRevocationEndpoint._respond

    def once(feed: FakeRevocationEndpoint, after: int, wait: int) -> Any:  # noqa: ANN401 -- whatever it is
        feed.behaviour = "hang"
        return well(feed, after, wait)

    monkeypatch.setattr(FakeRevocationEndpoint, "_respond", once)
    with IssuerOverHttp() as issuer:
        async with process(
            "profile_service",
            settings,
            SIGNET_WORKERS="2",
            SIGNET_JWKS_URI=issuer.jwks_uri,
            SIGNET_REVOCATIONS_URL=issuer.feed_uri,
        ) as (_, client):
            for worker in workers_at("profile", str(client.base_url), 2):
                with contextlib.closing(worker.http):
                    assert worker.http.get("/readyz").json()["ready"]


async def test_a_process_without_settings_says_which_are_missing() -> None:
    """Exit status 2, and a sentence for each."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "profile_service", env={"PATH": os.defpath}, stderr=asyncio.subprocess.PIPE
    )
    _, said = await running.communicate()
    assert running.returncode == 2
    for name in ("DATABASE_URL", "SIGNET_PORT", "SIGNET_ISSUER", "SIGNET_JWKS_URI", "SIGNET_KEY_SET_FILE"):
        assert f"{name}: is not set" in said.decode()
