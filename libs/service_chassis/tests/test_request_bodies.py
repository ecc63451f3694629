from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from service_chassis.request_bodies import _UP_TO_THE_NEXT_MARK, JsonBodies

JSON = {"content-type": "application/json"}


async def test_a_body_above_the_cap_is_refused_by_its_announced_length(client: httpx.AsyncClient) -> None:
    """413 when Content-Length is above the cap."""
    answer = await client.post("/parcels", content=b" " * 65_537, headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (413, "body_too_large")


async def test_a_body_above_the_cap_is_refused_when_nothing_was_announced(client: httpx.AsyncClient) -> None:
    """A chunked body is read up to the cap and no further."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b" " * 1024

    answer = await client.post("/parcels", content=endless(), headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (413, "body_too_large")


async def test_a_body_at_the_cap_is_read(client: httpx.AsyncClient) -> None:
    """Exactly the cap is not above it."""
    body = b'{"weight": 7}'.ljust(65_536)
    assert (await client.post("/parcels", content=body, headers=JSON)).json() == 7


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "\x80"},
        {"content-type": "application/json; charset*=a; charset*0=b"},
        {"content-type": f"application/json; charset*{'1' * 5000}=x"},
    ],
)
async def test_another_media_type_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """415 for a body that does not say it is JSON in UTF-8, uncompressed."""
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await client.post("/parcels", content=b'{"weight": 1}', headers=encoded)
    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_media_type")


async def test_bytes_that_are_not_utf8_are_malformed(client: httpx.AsyncClient) -> None:
    """RFC 8259 section 8.1: JSON between systems is UTF-8."""
    answer = await client.post("/parcels", content='{"weight": 1}'.encode("utf-16"), headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed_body")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
async def test_a_body_nested_too_deep_is_malformed(client: httpx.AsyncClient, opening: bytes) -> None:
    """33 levels are refused by count; 10,000 would otherwise end in the parser's recursion."""
    for depth in (33, 10_000):
        answer = await client.post("/parcels", content=opening * depth, headers=JSON)
        assert answer.status_code == 400
        assert "nested deeper than 32" in answer.json()["detail"]


async def test_brackets_inside_strings_are_not_depth(client: httpx.AsyncClient) -> None:
    """Text may hold any number of brackets, also behind an escaped quote."""
    answer = await client.post("/parcels", json={"weight": 3, "password": '"[[{'})
    assert answer.json() == 3
    answer = await client.post("/parcels", json={"weight": 3, "password": "[" * 100})
    assert answer.json()["reason"] == "invalid_body"


@pytest.mark.parametrize(
    "body",
    [b'{"a":1' + b',"a":1' * 499 + b"}", b"[" + b"[]," * 20_000, b"[" + b"," * 60_000, b"[]" * 30_000, b"]" * 60_000],
    ids=["members", "arrays", "commas", "pairs", "closing"],
)
async def test_a_body_of_too_many_parts_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    """400 that says so, before anything looks for the faults of ten thousand members one by one."""
    answer = await client.post("/parcels", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed_body")
    assert answer.json()["detail"] == "The body has more than 500 brackets and commas outside of strings."


async def test_a_body_of_as_many_parts_as_allowed_is_read(client: httpx.AsyncClient) -> None:
    """Exactly the cap is not above it, and what stands in strings does not count."""
    unknown = {f"unknown {number}": "[{,}]" * 20 for number in range(498)}
    answer = await client.post("/parcels", json={"weight": 1} | unknown)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_body")


@pytest.mark.parametrize(
    "body",
    [b'"' + b'\\"' * 30_000, b'""' * 30_000, b'"' * 60_001, b"1" * 60_000, b"\\" * 60_000],
    ids=["escaped-quotes", "strings", "quotes", "digits", "backslashes"],
)
def test_looking_for_marks_takes_time_in_proportion_to_the_body(body: bytes) -> None:
    """What has no mark is passed over once: not once per quote, not once per byte, and not in steps of Python's."""
    assert [found.span() for found in _UP_TO_THE_NEXT_MARK.finditer(body)] == [(0, len(body)), (len(body), len(body))]


async def test_a_client_that_goes_away_while_sending_is_not_answered(app: FastAPI) -> None:
    """A disconnect in the middle of a body ends the request without an answer and without an error."""
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/parcels",
        "raw_path": b"/parcels",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
    }
    await app(scope, receive, send)
    assert sent == []


@pytest.mark.parametrize(
    ("path", "media_type", "status"),
    [
        ("/form", "application/x-www-form-urlencoded", 200),
        ("/form", "application/x-www-form-urlencoded; charset=UTF-8", 200),
        ("/form", "application/json", 415),
        ("/form", "multipart/form-data; boundary=x", 415),
        ("/form/", "application/x-www-form-urlencoded", 415),
        ("/parcels", "application/x-www-form-urlencoded", 415),
        ("/parcels", "application/json", 200),
    ],
)
async def test_a_path_takes_forms_or_json_and_never_both(path: str, media_type: str, status: int) -> None:
    """Where forms are taken nothing else is, and forms are taken nowhere else."""

    async def ok(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("ok")(scope, receive, send)

    transport = httpx.ASGITransport(JsonBodies(ok, forms={"/form"}))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(path, content=b"a=b", headers={"content-type": media_type})
    assert answer.status_code == status
    if status == 415 and path == "/form":
        assert answer.headers["accept"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("body", [b'{"weight": 1, "weight": 2}', b'{"weight": {"a": [{"b": 1, "\\u0062": 2}]}}'])
async def test_a_member_that_stands_twice_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    """At any depth, and however it is spelt: two readers could take it for two things."""
    answer = await client.post("/parcels", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed_body")
    assert "names a JSON member twice" in answer.json()["detail"]


async def test_a_parameter_that_stands_twice_is_named(client: httpx.AsyncClient) -> None:
    """422, also where nobody reads it; the name is bounded, and printable."""
    answer = await client.get(f"/parcels/7?a=1&b=1&%61=2&c%00={1}&c%00&{'x' * 900}&{'x' * 900}")
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_parameters")
    assert [error["field"] for error in answer.json()["errors"]] == ["a", "c?", "x" * 200]
    assert (await client.get("/parcels/7?a=1&b=1")).json() == 7
