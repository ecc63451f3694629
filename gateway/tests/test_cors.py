"""Which other origins' pages may read what the door answers."""

import json

import pytest
from gateway.tests.test_forwarding import answer
from pydantic import ValidationError

from gateway.settings import GatewaySettings
from gateway.testing import OK, Street, get

APP, OTHER = "https://app.example", "https://other.example"
REFUSED = answer("WWW-Authenticate: Bearer", "Content-Length: 0", status="401 Unauthorized")


def preflight(origin: str, target: str = "/api/orders") -> bytes:
    asked = f"Origin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n"
    return get(target, f"{asked}Access-Control-Request-Headers: authorization\r\n", method="OPTIONS")


@pytest.mark.parametrize("upstream_says", [OK, REFUSED])
async def test_a_listed_origins_page_may_read_the_answer(street: Street, upstream_says: bytes) -> None:
    """A refusal too; what it says beside its body is named; and never with credentials."""
    upstream, url = await street.upstream(upstream_says)
    door = await street.door(orders=url, cors_origins=(APP,))
    read = await door.get("/api/orders", f"Origin: {APP}\r\nAuthorization: Bearer t\r\n")
    assert read.values("access-control-allow-origin") == [APP]
    (exposed,) = read.values("access-control-expose-headers")
    assert {"ETag", "WWW-Authenticate", "Retry-After"} <= set(exposed.split(", "))
    assert read.values("access-control-allow-credentials") == []
    assert read.values("vary") == ["Origin"]
    assert upstream.requests[0].values("authorization") == ["Bearer t"]
    gone = await door.get("/nowhere", f"Origin: {APP}\r\n")
    assert (gone.status, gone.values("access-control-allow-origin")) == (404, [APP])


@pytest.mark.parametrize(
    "headers",
    ["", f"Origin: {OTHER}\r\n", "Origin: null\r\n", f"Origin: {APP}.evil.example\r\n", f"Origin: {APP}\r\n" * 2],
)
async def test_nobody_else_is_told_that_they_may(street: Street, headers: str) -> None:
    """The answer is the same, and a cache is told that for another origin it would not be."""
    _, url = await street.upstream()
    door = await street.door(orders=url, cors_origins=(APP,))
    read = await door.get("/api/orders", headers)
    assert read.status == 200
    assert [name for name, _ in read.headers if name.startswith("access-control")] == []
    assert read.values("vary") == ["Origin"]


async def test_a_preflight_is_answered_at_the_door(street: Street) -> None:
    """No service sees one: with a listed origin it is 204 and says what may be sent, with any other 403."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url, cors_origins=(APP,))
    yes = await door.ask(preflight(APP))
    assert (yes.status, yes.values("access-control-allow-origin"), yes.values("vary")) == (204, [APP], ["Origin"])
    assert "PUT" in yes.values("access-control-allow-methods")[0].split(", ")
    assert {"Authorization", "If-Match", "Idempotency-Key"} <= set(
        yes.values("access-control-allow-headers")[0].split(", ")
    )
    assert yes.values("access-control-max-age") == ["600"]
    assert yes.values("access-control-allow-credentials") == []
    no = await door.ask(preflight(OTHER))
    assert (no.status, json.loads(no.body)["reason"], no.values("vary")) == (403, "origin_not_allowed", ["Origin"])
    assert no.values("access-control-allow-origin") == []
    assert upstream.requests == []
    await door.ask(get("/api/orders", method="OPTIONS"))
    assert len(upstream.requests) == 1, "an OPTIONS that is no preflight is the service's"


async def test_without_a_list_there_is_nothing_of_it(street: Street) -> None:
    """By default no origin is listed, and the door says nothing about origins, whatever a service says."""
    eager = ("Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true", "Content-Length: 0")
    _, url = await street.upstream(answer(*eager))
    door = await street.door(orders=url)
    read = await door.get("/api/orders", f"Origin: {APP}\r\n")
    preflighted = await door.ask(preflight(APP))
    for each in (read, preflighted):
        assert [name for name, _ in each.headers if name.startswith("access-control") or name == "vary"] == []


@pytest.mark.parametrize(
    "origin", ["*", "null", f"{APP}/", f"{APP}:443", "https://App.example", "app.example", "https://a@b.example", ""]
)
def test_a_list_is_of_origins_as_browsers_write_them(origin: str) -> None:
    """Anything else would never match, or would match everybody, and ends the process at its start."""
    urls = {f"{name}_url": "http://127.0.0.1:1" for name in ("auth", "profile", "orders")}
    with pytest.raises(ValidationError, match="cors_origins"):
        GatewaySettings.model_validate(urls | {"port": 1, "operations_port": 2, "cors_origins": [origin]})
