"""What bad input gets at the door: a problem that names what is wrong, never a 5xx, never a trace."""

import json
from typing import Any, NamedTuple

import httpx
import pytest
from tests.raw_http import raw_exchange
from tests.running_system import Person, System, problem

JSON = {"Content-Type": "application/json"}
CREDENTIALS = {"email": "nobody@example.com", "password": "something long", "name": "Nobody"}


class Bad(NamedTuple):
    """A request, and the refusal it deserves. It carries a good token when `known` is true."""

    name: str
    status: int
    reason: str
    method: str
    path: str
    known: bool = False
    content: bytes | None = None
    headers: dict[str, str] | None = None


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


BAD = (
    # Paths and methods that do not exist.
    Bad("unknown-path", 404, "not_found", "GET", "/nowhere"),
    Bad("unknown-api", 404, "not_found", "GET", "/api/nowhere", known=True),
    Bad("bare-api", 404, "not_found", "GET", "/api/"),
    Bad("slash-after-login", 404, "not_found", "POST", "/login/", content=b"{}", headers=JSON),
    Bad("longer-word", 404, "not_found", "GET", "/api/orders-internal", known=True),
    Bad("deeper-order", 404, "not_found", "GET", "/api/orders/a/b", known=True),
    Bad("order-that-is-none", 404, "not_found", "GET", "/api/orders/one", known=True),
    Bad("no-such-method-at-login", 405, "method_not_allowed", "GET", "/login", known=True),
    Bad("no-such-method-at-orders", 405, "method_not_allowed", "DELETE", "/api/orders", known=True),
    Bad("no-such-method-at-profile", 405, "method_not_allowed", "PUT", "/api/profile", known=True, content=b""),
    Bad("no-such-method-at-the-key-set", 405, "method_not_allowed", "POST", "/.well-known/jwks.json", known=True),
    Bad("no-such-method-at-docs", 405, "method_not_allowed", "POST", "/docs", content=b""),
    Bad("made-up-method", 405, "method_not_allowed", "BREW", "/api/catalogue"),
    Bad("trace", 405, "method_not_allowed", "TRACE", "/api/catalogue"),
    # Bodies that are too much.
    Bad("too-large-for-login", 413, "body_too_large", "POST", "/login", content=b" " * 70_000, headers=JSON),
    Bad(
        "too-large-for-orders",
        413,
        "body_too_large",
        "POST",
        "/api/orders",
        known=True,
        content=b" " * 70_000,
        headers=JSON,
    ),
    Bad("too-large-for-the-door", 413, "body_too_large", "POST", "/register", content=b" " * 1_100_000, headers=JSON),
    Bad(
        "too-deep-for-register", 400, "malformed_body", "POST", "/register", content=b"[" * 60 + b"]" * 60, headers=JSON
    ),
    Bad("deep-without-end", 400, "malformed_body", "POST", "/login", content=b'{"a":' * 9000, headers=JSON),
    Bad(
        "too-deep-for-profile",
        400,
        "malformed_body",
        "PATCH",
        "/api/profile",
        known=True,
        content=b"[" * 60,
        headers=JSON,
    ),
    Bad("too-many-headers", 431, "headers_too_large", "GET", "/", headers={"X-Long": "x" * 17_000}),
    # Bodies of another kind.
    Bad(
        "form",
        415,
        "unsupported_media_type",
        "POST",
        "/login",
        content=b"email=a",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    Bad(
        "text",
        415,
        "unsupported_media_type",
        "POST",
        "/register",
        content=b"{}",
        headers={"Content-Type": "text/plain"},
    ),
    Bad("no-type", 415, "unsupported_media_type", "POST", "/register", content=b"{}"),
    Bad(
        "xml-for-orders",
        415,
        "unsupported_media_type",
        "POST",
        "/api/orders",
        known=True,
        content=b"<a/>",
        headers={"Content-Type": "application/xml"},
    ),
    Bad(
        "compressed",
        415,
        "unsupported_media_type",
        "POST",
        "/login",
        content=b"\x1f\x8b",
        headers=JSON | {"Content-Encoding": "gzip"},
    ),
    Bad("not-json", 400, "malformed_body", "POST", "/login", content=b"{'a': 1}", headers=JSON),
    Bad("not-utf-8", 400, "malformed_body", "POST", "/login", content=b'{"email": "\xff"}', headers=JSON),
    Bad("cut-off", 400, "malformed_body", "POST", "/api/orders", known=True, content=b'{"items": [', headers=JSON),
    # Credentials.
    Bad("no-token", 401, "no_credentials", "GET", "/api/orders"),
    Bad("no-token-for-what-is-not-there", 401, "no_credentials", "GET", "/api/orders/none"),
    Bad("token-twice", 400, "invalid_request", "GET", "/api/profile?access_token=a.b.c", known=True),
)


@pytest.mark.stack("embedded", "compose")
@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_is_refused(system: System, ada: Person, bad: Bad) -> None:
    """The request gets the status and the reason of its fault, as a problem document."""
    answer = system.request(
        bad.method, bad.path, token=ada.token if bad.known else None, content=bad.content, headers=bad.headers
    )
    assert problem(answer) == (bad.status, bad.reason), answer.text
    if answer.status_code == 405:
        assert answer.headers["allow"]


def _fields(answer: httpx.Response) -> set[str]:
    assert problem(answer) in ((422, "invalid_body"), (422, "invalid_parameters"))
    return {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "password", "name"}),
        ({"email": "no address", "password": "short", "name": ""}, {"email", "name"}),
        (CREDENTIALS | {"password": "short"}, {"password"}),
        (CREDENTIALS | {"password": "password1"}, {"password"}),
        (CREDENTIALS | {"password": "x" * 129}, {"password"}),
        (CREDENTIALS | {"email": 7}, {"email"}),
        (CREDENTIALS | {"administrator": True}, {"administrator"}),
        (CREDENTIALS | {"sub": "me"}, {"sub"}),
        (CREDENTIALS | {"name": "a\u0000b"}, {"name"}),
    ],
)
def test_registration_names_the_fields(system: System, body: dict[str, object], fields: set[str]) -> None:
    """A registration that is no such thing names every field at fault and repeats none of the values."""
    answer = system.post("/register", json=body)
    assert _fields(answer) == fields
    for value in body.values():
        assert not isinstance(value, str) or len(value) < 5 or value not in answer.text


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"items"}),
        ({"items": []}, {"items"}),
        ({"items": [{}]}, {"items[0].sku", "items[0].quantity"}),
        ({"items": [{"sku": "SEAL-BRASS", "quantity": 0}]}, {"items[0].quantity"}),
        ({"items": [{"sku": "SEAL-BRASS", "quantity": -1}]}, {"items[0].quantity"}),
        ({"items": [{"sku": "SEAL-BRASS", "quantity": 1.5}]}, {"items[0].quantity"}),
        ({"items": [{"sku": "SEAL-BRASS", "quantity": 10**30}]}, {"items[0].quantity"}),
        ({"items": [{"sku": "SEAL-BRASS", "quantity": 1}, {"sku": "NONE", "quantity": 1}]}, {"items[1].sku"}),
        ({"items": [{"sku": "SEAL-BRASS", "quantity": 1, "price": 1}]}, {"items[0].price"}),
        ({"items": [{"sku": "SEAL-BRASS", "quantity": 1}], "total": 1}, {"total"}),
    ],
)
def test_an_order_names_the_fields(system: System, ada: Person, body: dict[str, Any], fields: set[str]) -> None:
    """An order that is none names every field at fault, down to the line."""
    assert _fields(system.post("/api/orders", token=ada.token, json=body)) == fields


def test_parameters_are_named(ada: Person) -> None:
    """Query parameters that make no sense are named too."""
    assert _fields(ada.get("/api/orders?limit=0")) == {"limit"}
    assert _fields(ada.get("/api/orders?limit=many")) == {"limit"}
    assert _fields(ada.get("/api/orders?cursor=elsewhere")) == {"cursor"}


_CATALOGUE = b"GET /api/catalogue HTTP/1.1\r\nHost: a\r\n"
_LOGIN = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
NO_REQUESTS = {
    "no-host": b"GET / HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two-spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare-line-feeds": b"GET /api/catalogue HTTP/1.1\nHost: a\n\n",
    "absolute-target": b"GET http://elsewhere.test/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "backslashes": b"GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n",
    "space-in-a-name": _CATALOGUE + b"X y: 1\r\n\r\n",
    "folded-header": _CATALOGUE + b"X: 1\r\n folded\r\n\r\n",
    "two-framings": _LOGIN + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": _LOGIN + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "negative-length": _LOGIN + b"Content-Length: -1\r\n\r\n",
    "two-codings": _LOGIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunk-of-no-size": _LOGIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "noughts": b"\x00\x01\x02\x03\r\n\r\n",
}


@pytest.mark.stack("embedded", "compose")
@pytest.mark.parametrize("name", NO_REQUESTS)
def test_bytes_that_are_no_request(system: System, name: str) -> None:
    """What is not HTTP/1.1, or could be read in two ways, is refused as a problem, and the door stays open."""
    answer = raw_exchange(system.url, NO_REQUESTS[name])
    assert 400 <= answer.status < 500
    assert answer.headers[b"content-type"] == b"application/problem+json"
    assert answer.problem["reason"] == "malformed_request"
    assert system.get("/api/catalogue").status_code == 200
