"""`python -m orders_service`: the process as it is run, with the issuer away."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from services.orders.tests.neighbours import Neighbours
from services.orders.tests.processes import orders_process
from tests.postgresql_plugin import NewDatabase
from tests.resource_server_running import Start

from orders_service.app import create_app
from orders_service.settings import Settings
from token_verification.testing import FakeIssuer


async def test_a_process_restarted_without_the_issuer_serves_and_logs_no_secret(
    settings: Settings, issuer: FakeIssuer, neighbours: Neighbours, start: Start
) -> None:
    """It verifies with the set on disk; no token, and nothing that the caller wrote, is in its log."""
    async with start(create_app(settings, network=neighbours)) as client:
        await client.get("/api/orders")
    token = issuer.token(scope="orders:read orders:write", name="Zacharias")
    forged = issuer.token()[:-8] + "forgedAA"
    bearer = {"Authorization": f"Bearer {token}"}
    async with orders_process(settings) as (running, client):
        assert (await client.get("/readyz")).status_code == 200
        items = [{"sku": "LAMP-DESK", "quantity": 2}]
        answer = await client.post("/api/orders", json={"items": items}, headers=bearer)
        assert answer.status_code == 201
        bad = {"items": [{"sku": "QUIRINIUS", "quantity": 1}], "Xylophon": "Sesquipedalian"}
        assert (await client.post("/api/orders", json=bad, headers=bearer)).status_code == 422
        refused = await client.get("/api/orders", headers={"Authorization": f"Bearer {forged}"})
        assert refused.json()["reason"] == "bad_signature"
        running.send_signal(signal.SIGTERM)
        _, log = await running.communicate()
    events = [json.loads(line) for line in log.decode().splitlines()]
    assert "Application shutdown complete." in [event["event"] for event in events]
    (placed,) = [event for event in events if event["event"] == "order_placed"]
    assert (placed["sub"], placed["order"]) == ("subject-1", answer.json()["id"])
    assert placed["request_id"] == answer.headers["X-Request-Id"]
    secrets = (*token.split("."), *forged.split("."), "QUIRINIUS", "Sesquipedalian", "Zacharias", "Xylophon")
    assert [secret for secret in secrets if secret.encode() in log] == []


async def test_two_processes_start_at_once_on_an_empty_database(
    settings: Settings, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Both migrate, and neither fails."""
    fresh = settings.model_copy(update={"database_url": new_database(tmp_path / "new" / "orders.db")})

    async def readiness() -> object:
        async with orders_process(fresh) as (_, client):
            return (await client.get("/readyz")).json()["checks"]["database"]

    assert list(await asyncio.gather(readiness(), readiness())) == ["ready", "ready"]


async def test_a_process_without_settings_says_which_are_missing() -> None:
    """Exit status 2, and a sentence for each."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orders_service", env={"PATH": os.defpath}, stderr=asyncio.subprocess.PIPE
    )
    _, said = await running.communicate()
    assert running.returncode == 2
    for name in ("DATABASE_URL", "SIGNET_PORT", "SIGNET_ISSUER", "SIGNET_JWKS_URI", "SIGNET_KEY_SET_FILE"):
        assert f"{name}: is not set" in said.decode()
