"""When the database cannot be used: 503, and no order that was acknowledged is lost."""

import asyncio
import threading
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from services.orders.tests.neighbours import Neighbours
from sqlalchemy import text
from tests.crowded_disk import CrowdedDisk
from tests.resource_server_running import Start

from orders_service.app import create_app
from orders_service.settings import Settings
from service_chassis.database import Database

LAMP = {"items": [{"sku": "LAMP-DESK", "quantity": 1}]}
SKUS = "ENVELOPE-C5 SEAL-BRASS WAX-RED LENS-10X RING-SIGNET BOOK-GUEST LAMP-DESK STAMP-SET"
ALL_ITEMS = {"items": [{"sku": sku, "quantity": 99} for sku in SKUS.split()]}


async def test_a_locked_database_refuses_orders_and_goes_on_reading(
    client: httpx.AsyncClient, settings: Settings, database_kind: str
) -> None:
    """503 with Retry-After while another holds the lock; afterwards it works again."""
    placed = await client.post("/api/orders", json=LAMP)
    other = Database(settings.database_url)
    async with other.writing() as connection:
        if database_kind == "postgresql":
            await connection.execute(text("LOCK TABLE orders IN EXCLUSIVE MODE"))
        refused = await client.post("/api/orders", json=LAMP)
        assert (refused.status_code, refused.json()["reason"]) == (503, "storage_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await client.get("/api/orders")).json()["orders"] == [placed.json()]
    await other.close()
    assert (await client.post("/api/orders", json=LAMP)).status_code == 201


async def test_a_full_disk_refuses_orders_and_loses_none(
    crowded_disk: CrowdedDisk, app: FastAPI, settings: Settings, neighbours: Neighbours, start: Start
) -> None:
    """503 once nothing more fits; exactly what was acknowledged is there, whole, and placing works again."""
    acknowledged: list[object] = []

    async def place(client: httpx.AsyncClient) -> httpx.Response:
        answer = await client.post("/api/orders", json=ALL_ITEMS)
        if answer.status_code == 201:
            acknowledged.insert(0, answer.json())
        return answer

    crowded_disk.take(settings.database_url)
    async with start(app) as client:
        async with asyncio.timeout(60):
            while (refused := await place(client)).status_code == 201:
                await crowded_disk.fill(app.state.orders._database)  # again: the server may have given room back
        assert (refused.status_code, refused.json()["reason"]) == (503, "storage_unavailable")
        assert (await client.get("/api/orders?limit=100")).json()["orders"] == acknowledged
    crowded_disk.clear()
    async with start(create_app(settings, network=neighbours)) as client:
        assert (await client.get("/api/orders?limit=100")).json()["orders"] == acknowledged
        assert (await place(client)).status_code == 201


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_database_out_of_reach_is_503_and_not_ready(
    client: httpx.AsyncClient, app: FastAPI, tmp_path: Path
) -> None:
    """The public catalogue says so too; readiness tells of it, liveness does not depend on it."""
    await app.state.orders._database.close()
    for file in tmp_path.glob("orders.db*"):
        file.unlink()
    (tmp_path / "orders.db").mkdir()
    for path in ("/api/catalogue", "/api/orders"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (503, "storage_unavailable")
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/healthz")).status_code == 200
    # The driver does not wait for the threads of connections that it could not open; the loop must outlive them.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 5)
