"""How often a server asks somebody else while it answers."""

import time

from side_by_side.exchange import Exchange
from side_by_side.laboratory import Laboratory
from side_by_side.relay import Relay
from side_by_side.result import Measured, Result
from side_by_side.ways import Credential, Server

NAME = "look-ups"
CLAIM = "A session costs a look-up over the network at every request; a JWT costs none, also when logins can end."
PROCEDURE = (
    "Requests one after the other, while the wire from the server to its store, or to auth, counts what is asked "
    "over it; per request, in several rounds. What profile asks is its feed's long poll and its keys, in the "
    "background; a gateway that keeps JWTs in cookies asks auth for the next one shortly before one expires."
)


def measure(lab: Laboratory) -> Result:
    """Count on both wires."""
    rounds, requests = (2, 25) if lab.quick else (5, 100)
    measured = {}
    for way in (lab.ways["jwt-followed"], lab.ways["jwt-cookie"]):
        person = way.register()
        asked: list[float] = []
        for _ in range(rounds):
            credential = way.log_in(person)
            asked.append(_asked(lab.auth_wire, way.servers[0], credential, requests))
        measured[way.key] = Measured.of("per request", asked)
    if "session-valkey" in lab.ways:
        way = lab.ways["session-valkey"]
        credential = way.log_in(way.register())
        server = Server("twin-valkey-2", lab.ports["twin-valkey-2"], "/api/profile")
        counts = [_asked(lab.store_wire, server, credential, requests) for _ in range(rounds)]
        measured["session-valkey"] = Measured.of("per request", counts)
    return Result(NAME, CLAIM, PROCEDURE, measured, {"requests": requests * rounds})


def _asked(wire: Relay, server: Server, credential: Credential, requests: int) -> float:
    with Exchange(server.port) as exchange:
        exchange.ask("GET", server.path, credential.headers)  # whoever has to connect to a store has done so now
        time.sleep(0.02)
        before = wire.questions
        for _ in range(requests):
            reply = exchange.ask("GET", server.path, credential.headers)
            if reply.status != 200:
                raise RuntimeError(f"{server.name} answered {reply.status}")
        return (wire.questions - before) / requests
