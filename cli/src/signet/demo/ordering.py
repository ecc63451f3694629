"""What crosses services: an order's address, by an exchanged token; a retry; and a change of mind."""

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rich.markup import escape

from signet.demo.scene import Answer, Scene
from signet.demo.telling import NotAsToldError
from signet.environment import SERVICES

HOME = {
    "recipient": "Ada Lovelace",
    "street": ["12 St James's Square"],
    "postal_code": "SW1Y 4JH",
    "city": "London",
    "country": "GB",
}
TELLING_FIELDS = ("client", "actor", "resource", "upstream", "status", "order")
"""Of a line in a log, what says more than its event; which of them there are depends on the event."""

LAMP = {"items": [{"sku": "LAMP-DESK", "quantity": 1}]}


def exchanging(scene: Scene) -> None:
    """Let orders ask profile, with a token that profile refuses."""
    say, check = scene.telling.say, scene.telling.check
    scene.keep_fresh()
    say("Ada tells profile where she lives. Profile alone keeps that.")
    patch = {"Content-Type": "application/merge-patch+json", "If-Match": "*"}
    body = {"delivery_address": HOME}
    members = ("delivery_address",)
    scene.ask("PATCH", "/api/profile", token=scene.token, send=patch, body=body, expect=200, members=members)
    say("She orders a lamp with a token for orders alone, as in step 8. Orders cannot simply pass that on to profile:")
    narrow = str(scene.log_in(resource=["urn:signet:orders"])["access_token"])
    scene.ask("GET", "/api/profile", token=narrow, expect=401, reason="wrong_audience")
    say("And yet the order knows where to go:")
    shown = ("id", "status", "delivery")
    answer = scene.ask("POST", "/api/orders", token=narrow, body=LAMP, expect=201, members=shown)
    scene.delivered_order = str(answer["id"])
    delivery = answer["delivery"]
    check("Its address is settled", expected="settled", actual=delivery["status"])
    check("It is the one that profile has", expected=HOME, actual=_without_nulls(delivery["address"]))
    say(
        "Orders had exchanged her token at auth (RFC 8693) for one that is good at profile alone, for reading, and no "
        "longer than hers. To do so it proved who it is with a key of its own: no secret is shared. Her one request "
        "left a line in each of four logs:"
    )
    _show_trace(scene, answer)
    scene.telling.proves(
        "A service acts for its caller within what the caller may do, and at one other service at a time. Should "
        "profile leak the token that it got, that opens nothing but profile."
    )


def asking_again(scene: Scene) -> None:
    """Lose an answer."""
    scene.keep_fresh()
    scene.telling.say(
        "Ada orders from a train. Her app gives the order a key of its own choosing; the answer gets lost in a tunnel:"
    )
    key = {"Idempotency-Key": secrets.token_urlsafe(12)}
    shown = ("id", "status", "total")
    first = scene.ask("POST", "/api/orders", token=scene.token, send=key, body=LAMP, expect=201, members=shown)
    scene.telling.say("Is there an order now, or not? The app need not know. It asks again with the same key:")
    again = scene.ask("POST", "/api/orders", token=scene.token, send=key, body=LAMP, expect=201, members=shown)
    scene.telling.check("It is the same answer", expected=first.body, actual=again.body)
    newest = scene.ask("GET", "/api/orders?limit=2", token=scene.token, expect=200, members=())["orders"]
    in_list = [order.get("id") for order in newest]
    claim = "Her list has it once: the next one is that of step 10"
    scene.telling.check(claim, expected=[first["id"], scene.delivered_order], actual=in_list)
    scene.telling.say("The same key for something else is a mistake, and is told so:")
    other = {"items": [{"sku": "LAMP-DESK", "quantity": 2}]}
    reason = "idempotency_key_reused"
    scene.ask("POST", "/api/orders", token=scene.token, send=key, body=other, expect=422, reason=reason)
    scene.spare_order = str(first["id"])
    scene.telling.proves("Whoever may ask again without fear never has to choose between no order and two.")


def changing_her_mind(scene: Scene) -> None:
    """Cancel an order, twice."""
    scene.keep_fresh()
    scene.telling.say("One lamp is enough. As long as an order has not been shipped, its owner can cancel it:")
    if not scene.spare_order:
        raise NotAsToldError("There is no order to cancel, which the story needs.")
    path = f"/api/orders/{scene.spare_order}"
    scene.ask("POST", f"{path}/cancel", token=scene.token, expect=200, members=("id", "status", "cancelled_at"))
    scene.telling.say("Once. And nobody ships what is cancelled, nor may Ada ship anything at all:")
    scene.ask("POST", f"{path}/cancel", token=scene.token, expect=409, reason="wrong_state")
    scene.ask("POST", f"{path}/ship", token=scene.token, expect=403, reason="insufficient_scope")
    scene.telling.proves(
        "409 means: not in this state. 403: not with this token; shipping takes the scope orders:ship, which "
        "administrators have. Each move is one statement in the database, so that of two at once, one is made."
    )


def _without_nulls(address: object) -> object:
    return {name: part for name, part in address.items() if part is not None} if isinstance(address, dict) else address


def _show_trace(scene: Scene, answer: Answer) -> None:
    """Show what each process has logged of one request, in the order in which it came about."""
    request_id = answer.headers.get("x-request-id", "")
    told = sorted(
        (str(line["timestamp"]), process, line)
        for process in SERVICES
        for line in _logged(scene.stack.logs(process))
        if line.get("request_id") == request_id
    )
    table = scene.telling.table("process", "logged", "about")
    for _, process, line in told:
        about = ", ".join(f"{name} {line[name]}" for name in TELLING_FIELDS if name in line)
        table.add_row(process, escape(str(line.get("event"))), escape(about))
    scene.telling.show(table)
    told_by = sorted({process for _, process, _ in told})
    scene.telling.check("All four tell of it", expected=sorted(SERVICES), actual=told_by)
    scene.telling.check("Under one trace", expected=1, actual=len({line.get("trace_id") for _, _, line in told}))


def _logged(log: str) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        with suppress(json.JSONDecodeError):
            yield json.loads(line)
