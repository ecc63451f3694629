"""When the database cannot be used: 503, and nothing that was acknowledged is lost."""

import asyncio
import itertools
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from tests.crowded_disk import CrowdedDisk
from tests.resource_server_running import Start

from profile_service.app import create_app
from profile_service.settings import Settings
from service_chassis.database import Database
from token_verification.testing import FakeIssuer

ANY = {"If-Match": "*"}


async def test_a_locked_database_refuses_writes_and_goes_on_reading(
    client: httpx.AsyncClient, settings: Settings, database_kind: str
) -> None:
    """503 with Retry-After for a write while another holds the lock; afterwards it works again."""
    acknowledged = await client.patch("/api/profile", json={"bio": "kept"}, headers=ANY)
    other = Database(settings.database_url)
    async with other.writing() as connection:
        if database_kind == "postgresql":
            await connection.execute(text("LOCK TABLE profiles IN EXCLUSIVE MODE"))
        refused = await client.patch("/api/profile", json={"bio": "refused"}, headers=ANY)
        assert (refused.status_code, refused.json()["reason"]) == (503, "storage_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await client.get("/api/profile")).content == acknowledged.content
    await other.close()
    assert (await client.patch("/api/profile", json={"bio": "again"}, headers=ANY)).status_code == 200


async def test_a_full_disk_refuses_writes_and_loses_nothing(
    *,
    crowded_disk: CrowdedDisk,
    app: FastAPI,
    settings: Settings,
    issuer: FakeIssuer,
    start: Start,
    bearer: Callable[..., dict[str, str]],
) -> None:
    """503 once nothing more fits; what was acknowledged is there, also after a restart, and writing works again."""
    acknowledged: dict[str, bytes] = {}

    async def write(client: httpx.AsyncClient, subject: str) -> httpx.Response:
        answer = await client.patch(
            "/api/profile", json={"bio": secrets.token_hex(1000)}, headers=bearer(sub=subject) | ANY
        )
        if answer.status_code == 200:
            acknowledged[subject] = answer.content
        return answer

    crowded_disk.take(settings.database_url)
    async with start(app) as client:
        subjects = (f"subject-{number}" for number in itertools.count())
        async with asyncio.timeout(60):
            while (refused := await write(client, next(subjects))).status_code == 200:
                await crowded_disk.fill(app.state.profiles._database)  # again: the server may have given room back
        assert (refused.status_code, refused.json()["reason"]) == (503, "storage_unavailable")
        for subject, profile in acknowledged.items():
            assert (await client.get("/api/profile", headers=bearer(sub=subject))).content == profile
    crowded_disk.clear()
    async with start(create_app(settings, network=issuer.transport)) as client:
        for subject, profile in acknowledged.items():
            assert (await client.get("/api/profile", headers=bearer(sub=subject))).content == profile
        assert (await write(client, "after")).status_code == 200


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_database_out_of_reach_is_503_and_not_ready(
    client: httpx.AsyncClient, app: FastAPI, tmp_path: Path
) -> None:
    """Readiness tells of it, liveness does not depend on it."""
    await app.state.profiles._database.close()
    for file in tmp_path.glob("profile.db*"):
        file.unlink()
    (tmp_path / "profile.db").mkdir()
    answer = await client.get("/api/profile")
    assert (answer.status_code, answer.json()["reason"]) == (503, "storage_unavailable")
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/healthz")).status_code == 200
    # The driver does not wait for the threads of connections that it could not open; the loop must outlive them.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 5)
