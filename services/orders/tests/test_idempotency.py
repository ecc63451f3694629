"""Idempotency-Key: whoever lost an answer asks again, and gets that answer and no second order."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from services.orders.tests.neighbours import ADDRESS, Neighbours
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.postgresql_plugin import on_one_database
from tests.resource_server_running import Bearer, Start

from orders_service.app import create_app
from orders_service.settings import Settings
from service_chassis.database import Database
from token_verification.testing import FakeClock

LAMP = {"items": [{"sku": "LAMP-DESK", "quantity": 1}, {"sku": "WAX-RED", "quantity": 2}]}
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
DAY = 86_400


async def place(client: httpx.AsyncClient, key: str = KEY, body: object = LAMP, **headers: str) -> httpx.Response:
    """Place an order under a key."""
    return await client.post("/api/orders", json=body, headers={"Idempotency-Key": key, **headers})


def answered(answer: httpx.Response) -> tuple[int, str, bytes]:
    """Return what has to be the same the second time."""
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.headers["Location"], answer.content


async def ids(client: httpx.AsyncClient) -> list[str]:
    """Return all orders of the caller."""
    return [order["id"] for order in (await client.get("/api/orders?limit=100")).json()["orders"]]


async def test_the_same_key_and_order_get_the_same_answer(client: httpx.AsyncClient) -> None:
    """Byte by byte; there is one order."""
    first = await place(client)
    assert first.status_code == 201
    assert answered(await place(client)) == answered(first)
    assert await ids(client) == [first.json()["id"]]


async def test_without_a_key_each_order_is_another(client: httpx.AsyncClient) -> None:
    """Two lamps may be wanted."""
    for _ in range(2):
        await client.post("/api/orders", json=LAMP)
    assert len(await ids(client)) == 2


async def test_the_answer_stays_what_it_was(client: httpx.AsyncClient, app: FastAPI, neighbours: Neighbours) -> None:
    """Also after the order was cancelled, prices were changed, and its owner moved; and nobody is asked again."""
    first = await place(client)
    await client.post(f"{first.headers['Location']}/cancel")
    async with app.state.orders._database.writing() as connection:
        await connection.execute(text("UPDATE catalogue SET amount = 1"))
        await connection.execute(text("DELETE FROM catalogue WHERE sku = 'WAX-RED'"))
    neighbours.on_file = ADDRESS | {"city": "Dublin"}
    neighbours.seen.clear()
    assert answered(await place(client)) == answered(first)
    assert neighbours.seen == []


async def test_a_pending_address_is_answered_as_it_was(client: httpx.AsyncClient, neighbours: Neighbours) -> None:
    """It is the answer that was lost; the order itself says what has become of it since."""
    neighbours.auth = "down"
    first = await place(client)
    neighbours.auth = "well"
    await client.put(f"{first.headers['Location']}/delivery-address")
    assert answered(await place(client)) == answered(first)


async def test_the_same_order_may_be_written_in_another_way(client: httpx.AsyncClient) -> None:
    """Members in another order, white space: the same. The key in quotes, as the draft has it: the same."""
    first = await place(client)
    body = b'{ "items": [{"quantity": 1, "sku": "LAMP-DESK"},\n {"quantity": 2, "sku": "WAX\\u002dRED"}] }'
    for key in (KEY, f'"{KEY}"'):
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        assert answered(await client.post("/api/orders", content=body, headers=headers)) == answered(first)


@pytest.mark.parametrize(
    "items",
    [
        [{"sku": "LAMP-DESK", "quantity": 1}],
        [{"sku": "LAMP-DESK", "quantity": 1}, {"sku": "WAX-RED", "quantity": 3}],
        [{"sku": "WAX-RED", "quantity": 2}, {"sku": "LAMP-DESK", "quantity": 1}],
    ],
)
async def test_a_key_is_for_one_order(client: httpx.AsyncClient, neighbours: Neighbours, items: object) -> None:
    """422 for another one, before anyone is asked for an address; the first answer is still to be had."""
    first = await place(client)
    neighbours.seen.clear()
    refused = await place(client, body={"items": items})
    assert (refused.status_code, refused.json()["reason"]) == (422, "idempotency_key_reused")
    assert neighbours.seen == []
    assert answered(await place(client)) == answered(first)
    assert len(await ids(client)) == 1


async def test_another_subject_may_use_the_same_key(client: httpx.AsyncClient, bearer: Bearer) -> None:
    """For another order, and sees nothing of the first."""
    first = await place(client)
    other = await place(client, body={"items": LAMP["items"][:1]}, **bearer(sub="subject-2"))
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]
    assert answered(await place(client)) == answered(first)


@on_one_database
@pytest.mark.parametrize(
    "key", ["", " ", "a b", "a\tb", '"', '""', '"a', 'a"', '"a"b"', "ä", "x" * 256, '"a\\b"', "a\\"]
)
async def test_a_malformed_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    """422 names the header, and no order is placed."""
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await client.post("/api/orders", json=LAMP, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_parameters")
    assert [error["field"].lower() for error in answer.json()["errors"]] == ["idempotency-key"]
    assert await ids(client) == []


@pytest.mark.parametrize("key", ["x", "!", "~", "x" * 255, '"' + "x" * 255 + '"', '"a\\"b"', "a,b", "a:b=c;d"])
async def test_a_key_is_any_visible_text(client: httpx.AsyncClient, key: str) -> None:
    """1 to 255 characters."""
    first = await place(client, key)
    assert first.status_code == 201
    assert answered(await place(client, key)) == answered(first)


async def test_two_keys_are_none(client: httpx.AsyncClient) -> None:
    """422: nobody can tell which of them counts."""
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two"), *client.headers.items()]
    answer = await client.post("/api/orders", json=LAMP, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


async def test_a_key_is_not_used_up_by_an_order_that_cannot_be(client: httpx.AsyncClient) -> None:
    """After 422 for an unknown SKU, the key is good for the order as it was meant."""
    refused = await place(client, body={"items": [{"sku": "LAMP-DUSK", "quantity": 1}]})
    assert (refused.status_code, refused.json()["reason"]) == (422, "invalid_body")
    assert (await place(client)).status_code == 201


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_key_is_not_used_up_by_a_database_that_is_away(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """After 503 the same key places the order."""
    other = sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert (await place(client)).status_code == 503
    other.execute("ROLLBACK")
    other.close()
    assert (await place(client)).status_code == 201
    assert len(await ids(client)) == 1


async def test_of_many_at_once_one_places_the_order(settings: Settings, neighbours: Neighbours, start: Start) -> None:
    """Two services on one database, eight requests: one order, one answer."""
    services = [create_app(settings, network=neighbours) for _ in range(2)]
    async with start(services[0]) as one, start(services[1]) as other:
        answers = await asyncio.gather(*(place(client) for client in [one, other] * 4))
        assert {answered(answer) for answer in answers} == {answered(answers[0])}
        assert answers[0].status_code == 201
        assert await ids(one) == [answers[0].json()["id"]]


async def test_of_two_different_orders_at_once_one_gets_the_key(
    settings: Settings, neighbours: Neighbours, start: Start
) -> None:
    """The others learn that it is taken."""
    services = [create_app(settings, network=neighbours) for _ in range(2)]
    bodies = [{"items": [{"sku": "LAMP-DESK", "quantity": quantity}]} for quantity in (1, 2)]
    async with start(services[0]) as one, start(services[1]) as other:
        answers = await asyncio.gather(
            *(place(client, body=body) for client, body in zip([one, other] * 4, bodies * 4, strict=True))
        )
        assert sorted(answer.status_code for answer in answers) == [201] * 4 + [422] * 4
        assert len(await ids(one)) == 1


async def test_the_second_waits_for_the_first(client: httpx.AsyncClient, settings: Settings) -> None:
    """While one order of a subject is being stored, another of the same subject is not answered; anyone else's is."""
    database = Database(settings.database_url)
    await place(client, "first")
    async with database.writing(exclusive="orders of subject-1"):
        second = asyncio.create_task(place(client))
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
    assert (await second).status_code == 201
    await database.close()


class Keys:
    """What is stored of keys, for looking at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> int:
        async with self._database.reading() as connection:
            return int((await connection.execute(text("SELECT count(*) FROM idempotency_keys"))).scalar_one())

    async def fill(self, number: int, *, expires_at: int) -> None:
        async with self._database.writing() as connection:
            await fill(connection, number, expires_at)


async def fill(connection: AsyncConnection, number: int, expires_at: int) -> None:
    """Store keys of people who never came back."""
    await connection.execute(
        text("INSERT INTO idempotency_keys VALUES (:sub, 'k', 'f', 'o', 'a', :expires_at)"),
        [{"sub": f"gone-{expires_at}-{each}", "expires_at": expires_at * 1_000_000} for each in range(number)],
    )


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that stands still."""
    return FakeClock(2_000_000_000.0)


@pytest.fixture
async def timed(app: FastAPI, start: Start, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a service that places its orders by that clock."""
    app.state.placing._clock = clock
    async with start(app) as client:
        yield client


async def test_a_key_is_remembered_for_a_day(timed: httpx.AsyncClient, clock: FakeClock) -> None:
    """A second before, the answer is the first one; after it, the key is as good as new, for any order."""
    first = await place(timed)
    clock.now += DAY - 1
    assert answered(await place(timed)) == answered(first)
    clock.now += 1
    second = await place(timed, body={"items": LAMP["items"][:1]})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    clock.now += DAY - 1
    assert answered(await place(timed, body={"items": LAMP["items"][:1]})) == answered(second)


async def test_old_keys_are_forgotten(app: FastAPI, timed: httpx.AsyncClient, clock: FakeClock) -> None:
    """Each order with a key takes up to a hundred with it that are too old, and none that are not."""
    keys = Keys(app.state.orders._database)
    await keys.fill(150, expires_at=int(clock.now))
    await keys.fill(7, expires_at=int(clock.now) + 1)
    await place(timed, "one")
    assert await keys.count() == 50 + 7 + 1
    await place(timed, "two")
    assert await keys.count() == 7 + 2


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_no_order_waits_for_a_key_that_is_being_forgotten(
    postgresql: object, app: FastAPI, timed: httpx.AsyncClient, clock: FakeClock
) -> None:
    """Another transaction is about to remove it: it is left to that one."""
    keys = Keys(app.state.orders._database)
    await keys.fill(1, expires_at=int(clock.now))
    async with app.state.orders._database.writing() as connection:
        await connection.execute(text("DELETE FROM idempotency_keys"))
        async with asyncio.timeout(1):
            assert (await place(timed)).status_code == 201
