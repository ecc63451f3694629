"""The process is killed at any moment: no acknowledged order is lost, none is doubled, and it is soon there again."""

import asyncio
import random
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from time import perf_counter

import httpx
from services.orders.tests.neighbours import Neighbours
from services.orders.tests.processes import orders_process
from sqlalchemy import text
from tests.resource_server_running import Start, free_port

from orders_service.app import create_app
from orders_service.settings import Settings
from service_chassis.database import Database
from token_verification.testing import FakeIssuer

KILLS = {"sqlite": 20, "postgresql": 8}
"""A file that the killed process writes itself can be torn at more moments."""
READY_SECONDS = 3.0
SEED = 20_260_101
WANTED = {"items": [{"sku": "WAX-RED", "quantity": 1}, {"sku": "LAMP-DESK", "quantity": 2}]}
COUNTS = (
    "SELECT count(*) FROM orders",
    "SELECT count(DISTINCT order_id) FROM idempotency_keys JOIN orders ON orders.id = order_id",
    """SELECT count(*) FROM (
        SELECT seq FROM orders JOIN order_items ON order_seq = seq
        GROUP BY seq, amount HAVING count(*) = 2 AND sum(quantity * unit_amount) = amount
    ) AS whole""",
)
"""Each is the number of orders, where every order is whole and has its key."""


class Client:
    """Places one order after the other, cancels every fifth, and writes down what was acknowledged.

    What becomes of an answer it does not know: it asks again, with the same Idempotency-Key, until it has one.
    """

    def __init__(self, url: str, token: str) -> None:
        self.acknowledged: dict[str, str] = {}
        """The orders' ids, each with the status that was last acknowledged."""
        self.lost_answers = 0
        self.stopped = False
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=5
        )

    async def work(self) -> None:
        """Go on until it is stopped, and then bring to an end what was begun."""
        while not self.stopped:
            placed = await self._until_answered("/api/orders", WANTED)
            assert placed.status_code == 201, placed.text
            order = placed.json()["id"]
            assert order not in self.acknowledged
            self.acknowledged[order] = "placed"
            if len(self.acknowledged) % 5 == 0:
                cancelled = await self._until_answered(f"/api/orders/{order}/cancel")
                # When the answer to the first attempt was lost, this says that it has come about.
                assert cancelled.status_code == 200 or cancelled.json()["order_status"] == "cancelled"
                self.acknowledged[order] = "cancelled"

    async def orders(self) -> dict[str, str]:
        """Return what the service has: every order and its status, none twice."""
        found: list[tuple[str, str]] = []
        wish: dict[str, str | int] = {"limit": 100}
        while wish.get("cursor", "") is not None:
            page = (await self._http.get("/api/orders", params=wish)).json()
            found += [(order["id"], order["status"]) for order in page["orders"]]
            wish["cursor"] = page["next_cursor"]
        assert len(found) == len(dict(found))
        return dict(found)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def _until_answered(self, path: str, body: object = None) -> httpx.Response:
        key = {"Idempotency-Key": secrets.token_urlsafe(8)}
        while True:
            with suppress(httpx.TransportError):
                answer = await self._http.post(path, json=body, headers=key)
                if answer.status_code != 503:
                    return answer
            self.lost_answers += 1
            await asyncio.sleep(0.02)


async def ready_after(began: float, running: asyncio.subprocess.Process, http: httpx.AsyncClient) -> float:
    """Return the seconds from `began` until the service was ready, less those that it waited for a processor.

    The claim is about the service, and not about what else this machine has to do.
    """
    assert (await http.get("/readyz")).status_code == 200, "whoever answers at all has opened everything"
    waited = Path(f"/proc/{running.pid}/schedstat")  # Linux: nanoseconds on a processor, and waiting for one
    return perf_counter() - began - (int(waited.read_text().split()[1]) / 1e9 if waited.exists() else 0)


async def test_no_acknowledged_order_is_lost_or_doubled(
    settings: Settings, issuer: FakeIssuer, neighbours: Neighbours, start: Start, tmp_path: Path
) -> None:
    """SIGKILL, again and again at random moments, while three subjects place orders and cancel some of them."""
    async with start(create_app(settings, network=neighbours)) as http:
        await http.get("/api/orders")  # so that the issuer's keys are on disk
    kills = KILLS["sqlite" if settings.database_url.startswith("sqlite") else "postgresql"]
    moments, port = random.Random(SEED), free_port()
    clients = [
        Client(f"http://127.0.0.1:{port}", issuer.token(sub=subject, scope="orders:read orders:write", expires_in=590))
        for subject in ("one", "two", "three")
    ]
    starts: list[float] = []
    working = [asyncio.create_task(client.work()) for client in clients]
    for _ in range(kills):
        began = perf_counter()
        async with orders_process(settings, port=port) as (running, http):
            starts.append(await ready_after(began, running, http))
            await asyncio.sleep(moments.uniform(0.0, 0.4))
            running.kill()
            await running.wait()
    async with orders_process(settings, port=port):
        for client in clients:
            client.stopped = True
        await asyncio.gather(*working)
        for client in clients:
            assert await client.orders() == client.acknowledged
            await client.close()
    assert all(len(client.acknowledged) > kills and client.lost_answers for client in clients)
    await assert_whole(settings, sum(len(client.acknowledged) for client in clients), tmp_path / "orders.db")
    assert max(starts) < READY_SECONDS, starts


async def assert_whole(settings: Settings, orders: int, file: Path) -> None:
    """Check that the database is sound, and that each order is there with its items, its total and its key."""
    if settings.database_url.startswith("sqlite"):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    database = Database.of(settings)
    try:
        async with database.reading() as connection:
            for query in COUNTS:
                assert (await connection.execute(text(query))).scalar_one() == orders
    finally:
        await database.close()
