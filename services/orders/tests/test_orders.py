"""Placing orders and reading them back: prices are the service's, orders are their owner's."""

import asyncio
import re
from datetime import UTC, datetime

import httpx
from fastapi import FastAPI
from services.orders.tests.neighbours import Neighbours
from tests.resource_server_running import Bearer, Start

from orders_service.app import create_app
from orders_service.settings import Settings


async def place(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **quantities: int) -> httpx.Response:
    """Place an order of lamps and wax."""
    skus = {"lamps": "LAMP-DESK", "wax": "WAX-RED"}
    items = [{"sku": skus[name], "quantity": quantity} for name, quantity in quantities.items()]
    return await client.post("/api/orders", json={"items": items}, headers=headers)


async def test_the_catalogue_is_public(client: httpx.AsyncClient) -> None:
    """It asks for no token, and shows prices in minor units of one currency."""
    del client.headers["Authorization"]
    answer = await client.get("/api/catalogue")
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert 6 <= len(items) <= 10
    assert items[0].keys() == {"sku", "name", "description", "price"}
    assert {item["price"]["currency"] for item in items} == {"EUR"}
    assert all(type(item["price"]["amount"]) is int and item["price"]["amount"] > 0 for item in items)


async def test_the_catalogue_may_be_cached(client: httpx.AsyncClient) -> None:
    """Whoever has it gets 304."""
    answer = await client.get("/api/catalogue")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    again = await client.get("/api/catalogue", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_an_order_has_the_prices_of_the_catalogue(client: httpx.AsyncClient) -> None:
    """201 with Location; name, price and total are the service's."""
    before = datetime.now(UTC)
    answer = await place(client, lamps=2, wax=3)
    order = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/orders/{order['id']}"
    assert order["items"] == [
        {
            "sku": "LAMP-DESK",
            "name": "Desk lamp",
            "quantity": 2,
            "unit_price": {"amount": 7450, "currency": "EUR"},
        },
        {
            "sku": "WAX-RED",
            "name": "Sealing wax, red",
            "quantity": 3,
            "unit_price": {"amount": 1150, "currency": "EUR"},
        },
    ]
    assert order["total"] == {"amount": 2 * 7450 + 3 * 1150, "currency": "EUR"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", order["placed_at"])
    assert before <= datetime.fromisoformat(order["placed_at"]) <= datetime.now(UTC)


async def test_an_order_is_at_its_location(client: httpx.AsyncClient) -> None:
    """What was answered to the POST is what is read there, by its owner's eyes alone."""
    placed = await place(client, lamps=1)
    read = await client.get(placed.headers["Location"])
    assert (read.status_code, read.json()) == (200, placed.json())
    assert read.headers["Cache-Control"] == "no-store"


async def test_an_order_keeps_the_price_it_was_placed_at(client: httpx.AsyncClient, app: FastAPI) -> None:
    """A later change of the catalogue changes no order."""
    placed = await place(client, lamps=1)
    async with app.state.orders._database.writing() as connection:
        await connection.exec_driver_sql("UPDATE catalogue SET amount = 1, name = 'Torch' WHERE sku = 'LAMP-DESK'")
    assert (await client.get(placed.headers["Location"])).json() == placed.json()
    assert (await place(client, lamps=1)).json()["total"]["amount"] == 1


async def test_ids_tell_nothing(client: httpx.AsyncClient) -> None:
    """128 random bits, never in order, and no number of it anywhere in the answer."""
    orders = [(await place(client, wax=1)).json() for _ in range(20)]
    ids = [order["id"] for order in orders]
    assert all(re.fullmatch(r"ord_[A-Za-z0-9_-]{22}", each) for each in ids)
    assert len(set(ids)) == 20
    assert ids != sorted(ids)
    assert orders[0].keys() == {"id", "status", "placed_at", "cancelled_at", "shipped_at", "items", "total", "delivery"}


async def test_anothers_order_is_not_there(client: httpx.AsyncClient, bearer: Bearer) -> None:
    """404, and the same one that an order gets that never was."""
    location = (await place(client, lamps=1)).headers["Location"]
    stranger = bearer(sub="subject-2")
    others = await client.get(location, headers=stranger)
    nobodys = await client.get("/api/orders/ord_" + "x" * 22, headers=stranger)
    assert (others.status_code, others.json()["reason"]) == (404, "not_found")
    assert others.content == nobodys.content


async def test_the_list_holds_the_callers_own_orders_newest_first(client: httpx.AsyncClient, bearer: Bearer) -> None:
    """Nobody else's are in it."""
    first, second = (await place(client, lamps=1)).json(), (await place(client, wax=2)).json()
    await place(client, bearer(sub="subject-2"), wax=9)
    answer = await client.get("/api/orders")
    assert answer.json() == {"orders": [second, first], "next_cursor": None}
    assert answer.headers["Cache-Control"] == "no-store"


async def test_orders_of_one_moment_keep_the_order_they_were_placed_in(
    settings: Settings, neighbours: Neighbours, start: Start
) -> None:
    """With a clock that stands still, or goes back, the newest is still the last that was placed."""
    moments = iter([2_000_000_000.0, 2_000_000_000.0, 1_999_999_999.0])
    app = create_app(settings, network=neighbours)
    async with start(app) as client:
        app.state.placing._clock = lambda: next(moments)
        placed = [(await place(client, wax=1)).json() for _ in range(3)]
        assert (await client.get("/api/orders")).json()["orders"] == placed[::-1]


async def test_pages_follow_each_other_while_orders_arrive(client: httpx.AsyncClient) -> None:
    """Nothing is skipped and nothing is shown twice, though a new order arrives between two pages."""
    placed = [(await place(client, wax=1)).json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/orders", params=query)).json()
        seen += [order["id"] for order in page["orders"]]
        cursor = page["next_cursor"]
        await place(client, lamps=1)
    assert seen == placed[::-1]
    assert cursor is None


async def test_a_page_holds_twenty_unless_told_otherwise(client: httpx.AsyncClient) -> None:
    """And says when there are more."""
    for _ in range(21):
        await place(client, wax=1)
    page = (await client.get("/api/orders")).json()
    assert len(page["orders"]) == 20
    assert page["next_cursor"] is not None
    assert len((await client.get("/api/orders?limit=100")).json()["orders"]) == 21


async def test_orders_placed_at_once_are_all_placed(settings: Settings, neighbours: Neighbours, start: Start) -> None:
    """Two services on one database, ten orders to each: twenty orders, each with its own id and whole."""
    services = [create_app(settings, network=neighbours) for _ in range(2)]
    async with start(services[0]) as one, start(services[1]) as other:
        answers = await asyncio.gather(*(place(client, lamps=1, wax=2) for client in [one, other] * 10))
        assert [answer.status_code for answer in answers] == [201] * 20
        listed = (await one.get("/api/orders?limit=100")).json()["orders"]
    by_id = {answer.json()["id"]: answer.json() for answer in answers}
    assert {order["id"]: order for order in listed} == by_id
    assert len(by_id) == 20
    assert [order["placed_at"] for order in listed] == sorted((o["placed_at"] for o in listed), reverse=True)


async def test_a_list_is_read_by_its_index(client: httpx.AsyncClient, app: FastAPI, database_kind: str) -> None:
    """However many orders others have, and the subject itself: no scan, and no sorting."""
    page = "SELECT * FROM orders WHERE sub = 'a' AND seq < 19000 ORDER BY seq DESC LIMIT 21"
    async with app.state.orders._database.writing() as connection:
        # Of a few orders only, PostgreSQL would rather read them all.
        await connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO orders (id, sub, placed_at, amount, currency, status, delivery_status, delivery_reason) "
            "SELECT 'ord_' || i, CASE i - i / 100 * 100 WHEN 0 THEN 'a' ELSE 'b' || i END, i, 1, 'EUR', 'placed', "
            "'none_on_file', NULL FROM n"
        )
        await connection.exec_driver_sql("ANALYZE orders")
        explain = "EXPLAIN QUERY PLAN" if database_kind == "sqlite" else "EXPLAIN (COSTS OFF)"
        steps = [row[-1].strip() for row in await connection.exec_driver_sql(f"{explain} {page}")]
    assert (
        steps
        == {
            "sqlite": ["SEARCH orders USING INDEX orders_by_subject (sub=? AND seq<?)"],
            "postgresql": [
                "Limit",
                "->  Index Scan Backward using orders_by_subject on orders",
                "Index Cond: (((sub)::text = 'a'::text) AND (seq < 19000))",
            ],
        }[database_kind]
    )
