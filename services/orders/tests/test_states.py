"""What may become of an order: cancelled, or shipped, once; everything else is 409."""

import asyncio
from pathlib import Path

import alembic.command
import alembic.config
import httpx
import pytest
from fastapi import FastAPI
from services.orders.tests.neighbours import Neighbours
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from tests.postgresql_plugin import NewDatabase
from tests.resource_server_running import Bearer, Start

import orders_service
import service_chassis
from orders_service.app import create_app
from orders_service.settings import Settings
from service_chassis.database import Database
from token_verification.testing import FakeClock

LAMP = {"items": [{"sku": "LAMP-DESK", "quantity": 1}]}
MOVES = {"cancel": "cancelled", "ship": "shipped"}


async def place(client: httpx.AsyncClient) -> str:
    """Place an order, and return its path."""
    return (await client.post("/api/orders", json=LAMP)).headers["Location"]


def conflict(answer: httpx.Response) -> tuple[str, str]:
    """Return what a 409 says of the order and of its delivery."""
    assert (answer.status_code, answer.json()["reason"]) == (409, "wrong_state"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 409
    return answer.json()["order_status"], answer.json()["delivery_status"]


@pytest.mark.parametrize(("move", "status"), MOVES.items())
async def test_a_placed_order_can_be_cancelled_or_shipped(
    settings: Settings, neighbours: Neighbours, start: Start, move: str, status: str
) -> None:
    """The order says so, and when, and nothing else about it changes."""
    clock = FakeClock(2_000_000_000.0)
    async with start(app := create_app(settings, network=neighbours)) as client:
        app.state.placing._clock = app.state.order_states._clock = clock
        placed = (await client.post("/api/orders", json=LAMP)).json()
        assert (placed["status"], placed["cancelled_at"], placed["shipped_at"]) == ("placed", None, None)
        clock.now += 60.5
        answer = await client.post(f"/api/orders/{placed['id']}/{move}")
        assert answer.status_code == 200
        assert answer.json() == placed | {"status": status, f"{status}_at": "2033-05-18T03:34:20.500000Z"}
        assert answer.headers["Cache-Control"] == "no-store"
        assert (await client.get(f"/api/orders/{placed['id']}")).content == answer.content
        assert (await client.get("/api/orders")).json()["orders"] == [answer.json()]


@pytest.mark.parametrize("first", MOVES)
@pytest.mark.parametrize("then", MOVES)
async def test_there_is_no_way_out_of_an_end(client: httpx.AsyncClient, first: str, then: str) -> None:
    """409 names the state that the order is in, and it stays as it is."""
    path = await place(client)
    ended = await client.post(f"{path}/{first}")
    assert conflict(await client.post(f"{path}/{then}")) == (MOVES[first], "settled")
    assert (await client.get(path)).content == ended.content


@pytest.mark.parametrize("address", ["pending", "none_on_file"])
async def test_an_order_without_a_settled_address_is_not_shipped(
    client: httpx.AsyncClient, neighbours: Neighbours, address: str
) -> None:
    """409 says why. It can be cancelled, or settled and then shipped."""
    on_file = neighbours.on_file
    if address == "pending":
        neighbours.auth = "down"
    else:
        neighbours.on_file = None
    kept, dropped = await place(client), await place(client)
    assert conflict(await client.post(f"{kept}/ship")) == ("placed", address)
    assert (await client.post(f"{dropped}/cancel")).json()["status"] == "cancelled"
    assert conflict(await client.post(f"{dropped}/ship")) == ("cancelled", address)
    neighbours.auth, neighbours.on_file = "well", on_file
    assert (await client.put(f"{kept}/delivery-address")).json()["delivery"]["status"] == "settled"
    assert (await client.post(f"{kept}/ship")).json()["status"] == "shipped"


async def test_an_order_is_cancelled_by_its_owner_and_shipped_for_anyone(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    """To cancel another's is 404, as for an order that never was; whoever may ship sees where to."""
    path = await place(client)
    stranger = bearer(sub="subject-2")
    for each in (path, "/api/orders/ord_" + "x" * 22, "/api/orders/1", "/api/orders/%00"):
        answer = await client.post(f"{each}/cancel", headers=stranger)
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    shipped = await client.post(f"{path}/ship", headers=stranger)
    assert (shipped.status_code, shipped.json()["delivery"]["status"]) == (200, "settled")
    for each in ("/api/orders/ord_" + "x" * 22, "/api/orders/1", "/api/orders/%00"):
        assert (await client.post(f"{each}/ship", headers=stranger)).status_code == 404


@pytest.mark.parametrize("moves", [("cancel", "ship"), ("cancel", "cancel"), ("ship", "ship")])
async def test_of_two_moves_at_once_exactly_one_is_made(
    settings: Settings, neighbours: Neighbours, start: Start, moves: tuple[str, str]
) -> None:
    """On two services with one database, twelve times: one answers 200 and one 409, and the order is as the first."""
    services = [create_app(settings, network=neighbours) for _ in range(2)]
    for service in services:
        # Where the whole process stands still for a second, whoever waits for their turn meanwhile is not to give up.
        service.state.order_states._database._turn_patience = 30.0
    async with start(services[0]) as one, start(services[1]) as other:
        # One race after the other: all at once would also be a queue, in which a slow disk makes a writer give up.
        for _ in range(12):
            path = await place(one)
            answers = await asyncio.gather(
                one.post(f"{path}/{moves[0]}"), other.post(f"{path}/{moves[1]}"), one.post(f"{path}/{moves[1]}")
            )
            (winner,) = [answer for answer in answers if answer.status_code == 200]
            for answer in answers:
                if answer is not winner:
                    assert conflict(answer) == (winner.json()["status"], "settled")
            assert (await one.get(path)).content == winner.content


@pytest.mark.parametrize(
    "change",
    [
        "status = 'returned'",
        "status = 'cancelled'",
        "status = 'shipped'",
        "status = 'shipped', shipped_at = 1",
        "shipped_at = 1",
        "cancelled_at = 1",
        "delivery_status = 'settled', delivery_reason = NULL",
        "delivery_status = 'none_on_file'",
        "delivery_reason = NULL",
    ],
)
async def test_the_database_holds_no_order_that_cannot_be(
    client: httpx.AsyncClient, app: FastAPI, neighbours: Neighbours, change: str
) -> None:
    """Whatever a later program may try with a pending order."""
    neighbours.auth = "down"
    await place(client)
    with pytest.raises(IntegrityError):
        async with app.state.orders._database.writing() as connection:
            await connection.execute(text(f"UPDATE orders SET {change}"))


async def test_orders_from_before_are_placed_and_pending(
    settings: Settings, neighbours: Neighbours, start: Start, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Nobody asked for their addresses; they can be settled and shipped like any other."""
    url = new_database(tmp_path / "before.db")
    database = Database(url)
    async with database.writing() as connection:
        await connection.run_sync(_upgrade_to, "0002")
        await connection.execute(
            text(
                "INSERT INTO orders (seq, id, sub, placed_at, amount, currency)"
                " VALUES (1, 'ord_AAAAAAAAAAAAAAAAAAAAAA', 'subject-1', 1700000000000000, 7450, 'EUR')"
            )
        )
    await database.close()
    async with start(create_app(settings.model_copy(update={"database_url": url}), network=neighbours)) as client:
        (order,) = (await client.get("/api/orders")).json()["orders"]
        assert (order["status"], order["cancelled_at"], order["shipped_at"]) == ("placed", None, None)
        assert order["delivery"] == {"status": "pending", "address": None, "reason": "not_asked"}
        path = f"/api/orders/{order['id']}"
        assert conflict(await client.post(f"{path}/ship")) == ("placed", "pending")
        assert (await client.put(f"{path}/delivery-address")).status_code == 200
        assert (await client.post(f"{path}/ship")).json()["status"] == "shipped"


def _upgrade_to(connection: Connection, revision: str) -> None:
    config = alembic.config.Config(attributes={"connection": connection})
    config.set_main_option("script_location", f"{service_chassis.__path__[0]}/migrations")
    config.set_main_option("version_locations", f"{orders_service.__path__[0]}/migrations")
    config.set_main_option("path_separator", "newline")
    alembic.command.upgrade(config, revision)
