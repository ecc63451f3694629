"""An order's address crosses three services, by a token that was exchanged for it; and what becomes of the order."""

import json
import secrets

from tests.running_system import Person, System, eventually, problem

ADDRESS = {
    "recipient": "Augusta King",
    "street": ["12 St James's Square"],
    "postal_code": "SW1Y 4JH",
    "city": "London",
    "region": None,
    "country": "GB",
}
SETTLED = {"status": "settled", "address": ADDRESS, "reason": None}
RING = {"items": [{"sku": "RING-SIGNET", "quantity": 1}]}
WAX = {"items": [{"sku": "WAX-RED", "quantity": 1}]}


def person_with_an_address(system: System) -> Person:
    person = system.person("Augusta")
    changed = person.change_profile("*", delivery_address=ADDRESS)
    assert changed.status_code == 200, changed.text
    return person


def test_an_order_is_delivered_to_the_address_on_file(system: System, administrator: Person) -> None:
    """Orders has it from profile; the administrator ships it, and then it can be cancelled no more."""
    person = person_with_an_address(system)
    placed = person.order(("RING-SIGNET", 1))
    assert placed.status_code == 201
    assert placed.json()["delivery"] == SETTLED
    path = placed.headers["location"]
    assert problem(system.post(f"{path}/ship", token=person.token)) == (403, "insufficient_scope")
    shipped = system.post(f"{path}/ship", token=administrator.token)
    assert (shipped.status_code, shipped.json()["status"]) == (200, "shipped")
    refused = system.post(f"{path}/cancel", token=person.token)
    assert problem(refused) == (409, "wrong_state")
    assert refused.json()["order_status"] == "shipped"
    assert person.get(path).json() == shipped.json()


def test_whoever_has_no_address_can_add_it_later(system: System) -> None:
    """None on file is not pending; once there is one, the order is told to go there."""
    person = system.person("Bela")
    placed = person.order(("RING-SIGNET", 1))
    assert placed.json()["delivery"]["status"] == "none_on_file"
    person.change_profile("*", delivery_address=ADDRESS)
    settled = system.request("PUT", f"{placed.headers['location']}/delivery-address", token=person.token)
    assert (settled.status_code, settled.json()["delivery"]) == (200, SETTLED)


def test_a_token_for_orders_alone_is_no_token_for_profile_and_can_be_exchanged_for_one(system: System) -> None:
    """Forwarding it to profile fails; orders exchanges it, and has the address."""
    person = person_with_an_address(system)
    narrow = person.fresh_token(resource="urn:signet:orders")
    assert problem(system.get("/api/profile", token=narrow)) == (401, "wrong_audience")
    placed = system.post("/api/orders", token=narrow, json=RING)
    assert (placed.status_code, placed.json()["delivery"]) == (201, SETTLED)


def test_a_token_that_may_not_read_the_profile_reads_none(system: System) -> None:
    """The exchange gives nobody more than they had; the order is placed, and its address pending."""
    person = person_with_an_address(system)
    poor = person.fresh_token(scope="orders:write")
    placed = system.post("/api/orders", token=poor, json=RING)
    assert placed.json()["delivery"] == {"status": "pending", "address": None, "reason": "not_permitted"}
    path = f"{placed.headers['location']}/delivery-address"
    assert problem(system.request("PUT", path, token=poor)) == (403, "insufficient_scope")
    assert system.request("PUT", path, token=person.token).json()["delivery"] == SETTLED


def test_an_order_that_is_sent_twice_is_placed_once(system: System) -> None:
    """The same Idempotency-Key gets the same answer, and the same key for another order 422."""
    person = system.person("Carl")
    key = {"Idempotency-Key": secrets.token_urlsafe(16)}
    first, again = (system.post("/api/orders", token=person.token, json=RING, headers=key) for _ in range(2))
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    other = system.post("/api/orders", token=person.token, json=WAX, headers=key)
    assert problem(other) == (422, "idempotency_key_reused")
    assert [order["id"] for order in person.get("/api/orders").json()["orders"]] == [first.json()["id"]]


EVENTS = {
    "gateway": "change_forwarded",
    "orders": "order_placed",
    "auth": "token_exchanged",
    "profile": "profile_read_on_behalf",
}
"""What one order leaves in the log of each process that it crosses."""


def test_one_order_is_one_trace_through_four_logs(system: System) -> None:
    """Gateway, orders, auth and profile log it under the trace id and the request id that its client chose."""
    person = person_with_an_address(system)
    trace, request = secrets.token_hex(16), secrets.token_hex(8)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01", "X-Request-Id": request}
    placed = system.post("/api/orders", token=person.token, json=RING, headers=headers)
    assert placed.json()["delivery"]["status"] == "settled"

    def seen(service: str) -> set[tuple[str, str]]:
        lines = [line for line in system.logs(service).splitlines() if trace in line]
        return {(line["event"], line["request_id"]) for line in map(json.loads, lines)}

    for service, event in EVENTS.items():
        eventually(lambda service=service, event=event: (event, request) in seen(service), within=5)  # type: ignore[misc]
