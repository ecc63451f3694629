"""What a malformed request gets: a problem that names what is wrong, and never a 5xx."""

import json
from collections.abc import Callable

import httpx
import pytest
from tests.postgresql_plugin import on_one_database

LAMP = {"sku": "LAMP-DESK", "quantity": 1}
JSON = {"Content-Type": "application/json"}

BEFORE_ANY_DATABASE = pytest.mark.parametrize("database_kind", ["sqlite"])
"""For a table of bodies of which none gets as far as a database."""


@BEFORE_ANY_DATABASE
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["items"]),
        ({"items": []}, ["items"]),
        ({"items": None}, ["items"]),
        ({"items": "LAMP-DESK"}, ["items"]),
        ({"items": [LAMP] * 51}, ["items"]),
        ({"items": [7]}, ["items[0]"]),
        ({"items": [{}]}, ["items[0].sku", "items[0].quantity"]),
        ({"items": [LAMP | {"quantity": 0}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": -1}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": 100}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": 10**30}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": "1"}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": 1.0}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": 1.5}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": True}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": None}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"quantity": float("nan")}]}, ["items[0].quantity"]),
        ({"items": [LAMP | {"sku": 7}]}, ["items[0].sku"]),
        ({"items": [LAMP | {"sku": ""}]}, ["items[0].sku"]),
        ({"items": [LAMP | {"sku": "lamp-desk"}]}, ["items[0].sku"]),
        ({"items": [LAMP | {"sku": "LAMP-DESK\n"}]}, ["items[0].sku"]),
        ({"items": [LAMP | {"sku": "LAMP\x00DESK"}]}, ["items[0].sku"]),
        ({"items": [LAMP | {"sku": "\ud800"}]}, ["items[0].sku"]),
        ({"items": [LAMP | {"sku": "X" * 41}]}, ["items[0].sku"]),
        ({"items": [LAMP, LAMP | {"sku": "NO-SUCH-THING"}]}, ["items[1].sku"]),
        ({"items": [LAMP, LAMP | {"quantity": 2}]}, ["items[1].sku"]),
        ({"items": [LAMP, LAMP, LAMP | {"sku": "NO"}]}, ["items[1].sku", "items[2].sku"]),
        ({"items": [LAMP | {"price": 1}]}, ["items[0].price"]),
        ({"items": [LAMP | {"unit_price": {"amount": 1, "currency": "EUR"}}]}, ["items[0].unit_price"]),
        ({"items": [LAMP], "total": {"amount": 1, "currency": "EUR"}}, ["total"]),
        ({"items": [LAMP], "price": None}, ["price"]),
        ({"items": [LAMP], "sub": "subject-2"}, ["sub"]),
        ({"items": [LAMP | {"quantity": 0, "price": 1}], "total": 0}, ["items[0].quantity", "items[0].price", "total"]),
        ([], ["(the whole)"]),
        ("text", ["(the whole)"]),
        (None, ["(the whole)"]),
    ],
)
async def test_every_field_that_is_not_as_it_should_be_is_named(
    client: httpx.AsyncClient, body: object, fields: list[str]
) -> None:
    """422 with each of them, and no order is placed."""
    answer = await client.post("/api/orders", content=json.dumps(body), headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_body")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == fields
    assert (await client.get("/api/orders")).json()["orders"] == []


@BEFORE_ANY_DATABASE
@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "malformed_body"),
        (b'{"items": "\xff"}', 400, "malformed_body"),
        (b'{"items":' + b"[" * 40 + b"]" * 40 + b"}", 400, "malformed_body"),
        (b'{"items":' + b"9" * 5000 + b"}", 400, "malformed_body"),
        (b'{"items": [], "items": [{"sku": "LAMP-DESK", "quantity": 1}]}', 400, "malformed_body"),
        (b'{"items":"' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
        (b"", 422, "invalid_body"),
    ],
)
async def test_a_body_that_is_no_small_json_is_refused(
    client: httpx.AsyncClient, body: bytes, status: int, reason: str
) -> None:
    """400, 413 or 422, whatever the bytes."""
    answer = await client.post("/api/orders", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["Content-Type"] == "application/problem+json"


@BEFORE_ANY_DATABASE
@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json"]
)
async def test_another_media_type_is_refused(client: httpx.AsyncClient, media_type: str) -> None:
    """415: an order is application/json."""
    answer = await client.post("/api/orders", content=b"{}", headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_media_type")


@on_one_database
@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", ["limit"]),
        ("limit=101", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=ten", ["limit"]),
        ("limit=1_0", ["limit"]),
        ("limit=%2B5", ["limit"]),
        ("limit=5&limit=6", ["limit"]),
        ("limit=5&cursor=&li%6Dit=6&cursor=", ["limit", "cursor"]),
        ("limit=", ["limit"]),
        ("limit=" + "9" * 5000, ["limit"]),
        ("cursor=", ["cursor"]),
        ("cursor=7", ["cursor"]),
        ("cursor=%00", ["cursor"]),
        ("cursor=ord_" + "x" * 22, ["cursor"]),
        ("cursor=" + "x" * 5000, ["cursor"]),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, query: str, fields: list[str]) -> None:
    """422 with the parameter."""
    answer = await client.get(f"/api/orders?{query}")
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_parameters")
    assert [error["field"] for error in answer.json()["errors"]] == fields


async def test_anothers_cursor_is_no_cursor(client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]) -> None:
    """A cursor is good for the subject it was given to."""
    order = (await client.post("/api/orders", json={"items": [LAMP]})).json()["id"]
    assert (await client.get(f"/api/orders?cursor={order}")).json() == {"orders": [], "next_cursor": None}
    answer = await client.get(f"/api/orders?cursor={order}", headers=bearer(sub="subject-2"))
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_parameters")


@on_one_database
@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/orders/", 404, "not_found"),
        ("GET", "/api/orders/1", 404, "not_found"),
        ("GET", "/api/orders/%00", 404, "not_found"),
        ("GET", "/api/orders/%ff", 404, "not_found"),
        ("GET", "/api/orders/" + "x" * 41, 422, "invalid_parameters"),
        ("PUT", "/api/orders", 405, "method_not_allowed"),
        ("DELETE", "/api/orders/1", 405, "method_not_allowed"),
        ("GET", "/api/orders/1/cancel", 405, "method_not_allowed"),
        ("GET", "/api/orders/1/ship", 405, "method_not_allowed"),
        ("POST", "/api/orders/1/delivery-address", 405, "method_not_allowed"),
        ("POST", "/api/orders/1/return", 404, "not_found"),
        ("POST", "/api/catalogue", 405, "method_not_allowed"),
    ],
)
async def test_what_does_not_exist_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, reason: str
) -> None:
    """A path, a method or an order that cannot be."""
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_405_names_every_method_of_the_path(client: httpx.AsyncClient) -> None:
    """Allow lists what the path knows, and not only its first route."""
    assert (await client.delete("/api/orders")).headers["Allow"] == "GET, HEAD, POST"
