"""Where an order goes: profile's word, asked for with an exchanged token, and never waited for too long."""

import asyncio
import gzip
import json
import time
import urllib.parse
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from services.orders.tests.neighbours import ADDRESS, Behaviour, Neighbours
from structlog.testing import capture_logs
from tests.resource_server_running import Bearer, Start

from orders_service.app import create_app
from orders_service.orders import Delivery
from orders_service.settings import Settings
from token_verification import AccessTokenVerifier
from token_verification.testing import FakeClock, FakeIssuer

LAMP = {"items": [{"sku": "LAMP-DESK", "quantity": 1}]}
UNAVAILABLE = {"status": "pending", "address": None, "reason": "unavailable"}
NOT_PERMITTED = {"status": "pending", "address": None, "reason": "not_permitted"}
NONE_ON_FILE = {"status": "none_on_file", "address": None, "reason": None}
SETTLED = {"status": "settled", "address": ADDRESS, "reason": None}

A_SHORT_DEADLINE = 0.2
"""Seconds to wait for an address that does not come."""

ABOUT_THE_NETWORK = pytest.mark.parametrize("database_kind", ["sqlite"])
"""For a table of neighbours that all leave the same in the database."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Wait long for an address: who lets a deadline pass sets a short one, and no other meets one on a busy machine."""
    return settings.model_copy(update={"delivery_deadline": 30.0})


async def delivery(client: httpx.AsyncClient, headers: dict[str, str] | None = None) -> object:
    """Place an order, and return what it says of its delivery, then and when it is read."""
    placed = await client.post("/api/orders", json=LAMP, headers=headers)
    assert placed.status_code == 201, placed.text
    assert (await client.get(placed.headers["Location"])).json() == placed.json()
    return placed.json()["delivery"]


async def settle(client: httpx.AsyncClient, order: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask for an order's delivery address to be looked up again."""
    return await client.put(f"/api/orders/{order}/delivery-address", headers=headers)


async def place(client: httpx.AsyncClient) -> str:
    """Place an order, and return its id."""
    return str((await client.post("/api/orders", json=LAMP)).json()["id"])


async def test_an_order_goes_where_profile_says(client: httpx.AsyncClient) -> None:
    """The address is a copy of what was on file when the order was placed."""
    assert await delivery(client) == SETTLED


async def test_whoever_has_no_address_has_none_on_file(client: httpx.AsyncClient, neighbours: Neighbours) -> None:
    """That is another thing than not to know."""
    neighbours.on_file = None
    assert await delivery(client) == NONE_ON_FILE


async def test_profile_is_asked_with_a_token_for_that_alone(
    client: httpx.AsyncClient, neighbours: Neighbours, issuer: FakeIssuer, bearer: Bearer
) -> None:
    """The caller's own token goes to auth and no further; what profile gets names profile and no other."""
    caller = bearer()
    await delivery(client, caller)
    asked, read = neighbours.seen
    form = dict(urllib.parse.parse_qsl(asked.content.decode()))
    assert (form["resource"], form["scope"]) == ("urn:signet:profile", "profile:read")
    assert caller["Authorization"] == f"Bearer {form['subject_token']}"
    narrowed = read.headers["Authorization"].removeprefix("Bearer ")
    verifier = AccessTokenVerifier(issuer=issuer.issuer, audience="urn:signet:profile", key_set=issuer.key_set)
    token = await verifier.verify(narrowed)
    assert (token.audience, set(token.scope), token.actor) == (("urn:signet:profile",), {"profile:read"}, "orders")


async def test_the_trace_goes_along(client: httpx.AsyncClient, neighbours: Neighbours) -> None:
    """Auth and profile are asked in the trace, and with the request id, of the order."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await delivery(client, {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-Id": "request-7"})
    for request in neighbours.seen:
        assert request.headers["traceparent"].split("-")[1] == trace
        assert request.headers["X-Request-Id"] == "request-7"


@ABOUT_THE_NETWORK
async def test_it_is_said_how_long_each_neighbour_took(
    settings: Settings, neighbours: Neighbours, start: Start
) -> None:
    """Where `Server-Timing` is switched on, placing an order names the exchange and the call to profile, in order."""
    async with start(create_app(settings.model_copy(update={"server_timing": True}), network=neighbours)) as client:
        timing = (await client.post("/api/orders", json=LAMP)).headers["server-timing"]
        neighbours.auth = "down"
        without = (await client.post("/api/orders", json=LAMP)).headers["server-timing"]
    assert [each.partition(";")[0] for each in timing.split(", ")] == ["orders", "verify", "exchange", "profile"]
    assert [each.partition(";")[0] for each in without.split(", ")] == ["orders", "verify", "exchange"]


async def test_an_order_keeps_its_address(client: httpx.AsyncClient, neighbours: Neighbours) -> None:
    """Moving house moves no parcel, unless its owner says so."""
    order = await place(client)
    neighbours.on_file = ADDRESS | {"city": "Dublin", "country": "IE"}
    assert (await client.get(f"/api/orders/{order}")).json()["delivery"] == SETTLED


async def test_the_older_address_never_wins(client: httpx.AsyncClient, neighbours: Neighbours) -> None:
    """Of two who settle one order's address, the one that was told it earlier and comes later asks once more."""
    order = await place(client)
    neighbours.profile = "late"
    overtaken = asyncio.create_task(settle(client, order))
    await neighbours.until_waiting(1)
    neighbours.profile, neighbours.on_file = "well", ADDRESS | {"city": "Dublin", "country": "IE"}
    moved = SETTLED | {"address": neighbours.on_file}
    assert (await settle(client, order)).json()["delivery"] == moved
    neighbours.let_go()
    assert (await overtaken).json()["delivery"] == moved
    assert (await client.get(f"/api/orders/{order}")).json()["delivery"] == moved


@ABOUT_THE_NETWORK
@pytest.mark.parametrize("who", ["auth", "profile"])
@pytest.mark.parametrize("behaviour", ["down", "hang", "drip"])
async def test_nobody_waits_for_a_neighbour(
    app: FastAPI, client: httpx.AsyncClient, neighbours: Neighbours, who: str, behaviour: Behaviour
) -> None:
    """The order is placed with its address pending, within one deadline for both of them together."""
    app.state.delivery_addresses._deadline = A_SHORT_DEADLINE
    setattr(neighbours, who, behaviour)
    began = time.perf_counter()
    assert await delivery(client) == UNAVAILABLE
    assert time.perf_counter() - began < 3  # of which the deadline is a part, and the rest a busy machine's
    assert neighbours.waiting == 0


@ABOUT_THE_NETWORK
async def test_auth_and_profile_share_one_deadline(
    client: httpx.AsyncClient, neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What auth has taken of it profile does not get; by a clock on which 20 s pass as each of them is asked."""
    loop, passed = asyncio.get_running_loop(), 0.0
    clock = loop.time

    def twenty_seconds_pass() -> None:
        nonlocal passed
        passed += 20

    neighbours.meanwhile, neighbours.profile = twenty_seconds_pass, "hang"
    monkeypatch.setattr(loop, "time", lambda: clock() + passed)
    began = loop.time()
    assert await delivery(client) == UNAVAILABLE
    assert passed == 40
    assert loop.time() - began < 50, "profile was given 30 s of its own"


WHOLE = {"sub": "subject-1", "delivery_address": ADDRESS}
NO_ADDRESSES: list[object] = [
    "Zacharias",
    [],
    {},
    ADDRESS | {"recipient": None},
    ADDRESS | {"recipient": 7},
    *(ADDRESS | {"recipient": f"Zacharias{control}"} for control in "\x00\n\x85\x9b\u2028\u2029"),
    ADDRESS | {"recipient": "Z" * 101},
    ADDRESS | {"street": "Zacharias"},
    ADDRESS | {"street": []},
    ADDRESS | {"street": ["Zacharias"] * 5},
    ADDRESS | {"country": "Zacharias"},
    {name: part for name, part in ADDRESS.items() if name != "city"},
]


@ABOUT_THE_NETWORK
@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, b"{}"),
        (401, {}, json.dumps(WHOLE).encode()),
        (302, {"Location": "http://elsewhere.test/"}, b""),
        (200, {}, b""),
        (200, {}, b"Zacharias"),
        (200, {}, b"[]"),
        (200, {}, json.dumps(WHOLE).encode() + b" " * 70_000),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(json.dumps(WHOLE).encode())),
        (200, {}, json.dumps({"sub": "subject-1"}).encode()),
        (200, {}, json.dumps({"delivery_address": ADDRESS}).encode()),
        (200, {}, json.dumps(WHOLE | {"sub": "subject-2"}).encode()),
        *((200, {}, json.dumps(WHOLE | {"delivery_address": address}).encode()) for address in NO_ADDRESSES),
    ],
)
async def test_an_answer_that_is_not_as_expected_is_none(
    client: httpx.AsyncClient, neighbours: Neighbours, status: int, headers: dict[str, str], body: bytes
) -> None:
    """The address is pending, and the log says so, and nothing of what profile said."""
    neighbours.answer = (status, headers, body)
    with capture_logs() as events:
        assert await delivery(client) == UNAVAILABLE
    (told,) = [event for event in events if event["event"] == "delivery_address_unavailable"]
    assert told["why"] == "answer"
    assert [name for name in ("Zacharias", "Augusta", "London", "elsewhere") if name in str(events)] == []
    assert len(neighbours.asked("/api/profile")) == 1


async def test_no_cookie_goes_from_one_caller_to_another(
    client: httpx.AsyncClient, neighbours: Neighbours, bearer: Bearer
) -> None:
    """Whatever profile sets is gone with the answer."""
    neighbours.answer = (200, {"Set-Cookie": "caller=subject-1; Path=/"}, json.dumps(WHOLE).encode())
    assert await delivery(client) == SETTLED
    await client.post("/api/orders", json=LAMP, headers=bearer(sub="subject-2"))
    assert [request.headers.get("Cookie") for request in neighbours.seen] == [None] * 4


async def test_what_profile_may_add_one_day_is_left_out(client: httpx.AsyncClient, neighbours: Neighbours) -> None:
    """An address with more to it is one."""
    neighbours.on_file = ADDRESS | {"floor": 3}
    assert await delivery(client) == SETTLED


@ABOUT_THE_NETWORK
@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (("invalid_scope", "invalid_scope"), NOT_PERMITTED),
        (("invalid_request", "expired"), NOT_PERMITTED),
        (("invalid_request", "wrong_audience"), NOT_PERMITTED),
        (("invalid_request", "invalid_request"), UNAVAILABLE),
        (("invalid_client", "invalid_client"), UNAVAILABLE),
        (("invalid_target", "invalid_target"), UNAVAILABLE),
    ],
)
async def test_a_refused_exchange_leaves_the_address_pending(
    client: httpx.AsyncClient, neighbours: Neighbours, refusal: tuple[str, str], expected: object
) -> None:
    """It says whether the caller's token is why, or something between the services."""
    neighbours.refusal = refusal
    assert await delivery(client) == expected
    assert neighbours.asked("/api/profile") == []


async def test_a_token_that_may_not_read_the_profile_is_not_even_exchanged(
    client: httpx.AsyncClient, neighbours: Neighbours, bearer: Bearer
) -> None:
    """Pending and not none_on_file: nobody has asked. Whoever has the scope settles it later."""
    placed = await client.post("/api/orders", json=LAMP, headers=bearer(scope="orders:write"))
    assert placed.json()["delivery"] == NOT_PERMITTED
    assert neighbours.seen == []
    assert (await settle(client, placed.json()["id"])).json()["delivery"] == SETTLED


async def test_a_token_that_is_about_to_end_is_good_until_it_has(
    settings: Settings, issuer: FakeIssuer, neighbours: Neighbours, start: Start, bearer: Bearer
) -> None:
    """A second before its end it fetches the address; within the leeway after it, the order is placed all the same."""
    issuer.clock = clock = FakeClock()
    async with start(create_app(settings, network=neighbours, clock=clock)) as client:
        token = bearer(exp=int(clock.now) + 300)
        clock.now += 299
        assert await delivery(client, token) == SETTLED
        clock.now += 3
        neighbours.refusal = ("invalid_request", "expired")
        assert await delivery(client, token) == NOT_PERMITTED


async def test_nobody_is_asked_for_an_order_that_cannot_be(client: httpx.AsyncClient, neighbours: Neighbours) -> None:
    """Its SKUs are looked at first."""
    answer = await client.post("/api/orders", json={"items": [{"sku": "NO-SUCH-THING", "quantity": 1}]})
    assert answer.status_code == 422
    assert neighbours.seen == []


async def test_no_more_than_so_many_orders_wait_for_their_addresses(
    settings: Settings, neighbours: Neighbours, start: Start
) -> None:
    """While auth hangs, what comes beyond the cap is pending at once; later there is room again."""
    app = create_app(settings.model_copy(update={"delivery_look_ups": 2}), network=neighbours)
    async with start(app) as client:
        neighbours.auth = "hang"
        waiting = [asyncio.create_task(delivery(client)) for _ in range(2)]
        await neighbours.until_waiting(2)
        assert await asyncio.gather(*(delivery(client) for _ in range(5))) == [UNAVAILABLE] * 5
        assert neighbours.waiting == 2
        assert len(neighbours.asked("/oauth/token")) == 2
        neighbours.let_go()
        assert await asyncio.gather(*waiting) == [SETTLED] * 2
        assert await delivery(client) == SETTLED


@pytest.mark.parametrize("before", ["unavailable", "none_on_file", "settled"])
@pytest.mark.parametrize("after", [ADDRESS | {"city": "Dublin"}, None])
async def test_an_order_can_be_told_to_go_where_profile_says_now(
    client: httpx.AsyncClient, neighbours: Neighbours, before: str, after: dict[str, Any] | None
) -> None:
    """Whatever was known before; and a second time changes nothing."""
    if before == "unavailable":
        neighbours.profile = "down"
    if before == "none_on_file":
        neighbours.on_file = None
    order = await place(client)
    neighbours.profile, neighbours.on_file = "well", after
    answer = await settle(client, order)
    assert answer.status_code == 200
    assert answer.json()["delivery"] == (SETTLED | {"address": after} if after else NONE_ON_FILE)
    assert (await client.get(f"/api/orders/{order}")).content == answer.content
    assert (await settle(client, order)).content == answer.content


@pytest.mark.parametrize("who", ["auth", "profile"])
@pytest.mark.parametrize("behaviour", ["down", "hang"])
async def test_an_address_cannot_be_settled_while_nobody_can_be_asked(
    app: FastAPI, client: httpx.AsyncClient, neighbours: Neighbours, who: str, behaviour: Behaviour
) -> None:
    """503 with Retry-After; the order stays as it is, also one that is settled."""
    order = await place(client)
    app.state.delivery_addresses._deadline = A_SHORT_DEADLINE
    setattr(neighbours, who, behaviour)
    answer = await settle(client, order)
    assert (answer.status_code, answer.json()["reason"]) == (503, "address_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await client.get(f"/api/orders/{order}")).json()["delivery"] == SETTLED


async def test_an_address_is_settled_with_a_token_that_may_read_it(
    client: httpx.AsyncClient, neighbours: Neighbours, bearer: Bearer
) -> None:
    """403 names the scope that is missing; 401 says, in auth's words, what has become of the token."""
    order = await place(client)
    refused = await settle(client, order, bearer(scope="orders:write"))
    assert (refused.status_code, refused.json()["reason"]) == (403, "insufficient_scope")
    assert refused.json()["scope"] == "profile:read"
    assert 'scope="profile:read"' in refused.headers["WWW-Authenticate"]
    neighbours.refusal = ("invalid_request", "expired")
    refused = await settle(client, order)
    assert (refused.status_code, refused.json()["reason"]) == (401, "expired")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    neighbours.refusal = ("invalid_request", "something_else")
    assert (await settle(client, order)).status_code == 503


@pytest.mark.parametrize("move", ["cancel", "ship"])
async def test_what_is_not_placed_any_more_goes_nowhere_else(
    client: httpx.AsyncClient, neighbours: Neighbours, move: str
) -> None:
    """409, and nobody is asked."""
    order = await place(client)
    assert (await client.post(f"/api/orders/{order}/{move}")).status_code == 200
    neighbours.seen.clear()
    answer = await settle(client, order)
    assert (answer.status_code, answer.json()["reason"]) == (409, "wrong_state")
    assert neighbours.seen == []


async def test_an_order_shipped_while_profile_was_asked_keeps_its_address(
    client: httpx.AsyncClient, app: FastAPI, neighbours: Neighbours
) -> None:
    """409: the parcel has gone to where it said before."""
    order = await place(client)
    neighbours.profile = "hang"
    settling = asyncio.create_task(settle(client, order))
    await neighbours.until_waiting(1)
    await app.state.order_states.ship(order)
    neighbours.on_file = None
    neighbours.let_go()
    answer = await settling
    assert (answer.status_code, answer.json()["order_status"]) == (409, "shipped")
    assert (await client.get(f"/api/orders/{order}")).json()["delivery"] == SETTLED


async def test_anothers_order_is_not_told_where_to_go(
    client: httpx.AsyncClient, app: FastAPI, neighbours: Neighbours, bearer: Bearer
) -> None:
    """404, as for one that never was, and nobody is asked; nor would the move itself find it."""
    order = await place(client)
    neighbours.seen.clear()
    for each in (order, "ord_" + "x" * 22, "1", "%00"):
        answer = await settle(client, each, bearer(sub="subject-2"))
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    assert neighbours.seen == []
    assert await app.state.order_states.deliver("subject-2", order, Delivery(status="none_on_file"), after=0) is None
    assert (await client.get(f"/api/orders/{order}")).json()["delivery"] == SETTLED
