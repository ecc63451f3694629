"""What the check of a credential costs: latency, and time of the processor, with few clients and with many."""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from side_by_side.laboratory import Laboratory
from side_by_side.load import drive, tool
from side_by_side.processor_time import processor_seconds
from side_by_side.result import Measured, Result, compared
from side_by_side.ways import Credential, Person, Way
from side_by_side.words import WAYS

NAME = "request cost"
NEW = ", new tokens"
"""Behind the key of a way whose requests had a token each that its server had not met."""
DOOR = ", through the gateway"
"""Behind the key of a way whose requests took the gateway's hop as well: what a cookie's are to be compared with."""
LEVEL = 8
"""With how many clients the ways are compared."""
_TIME = {"more": "longer", "less": "less time", "the same": "as long, within the spread of the rounds,"}
_IN_THE_TABLE = {"session-valkey", "jwt-followed", "jwt-cookie"}
"""The ways whose requests the table has; at a first look no others are measured, where there are these."""
_OF_ONE_LOGIN, _ENOUGH = 150, 20
"""Tokens: how many a login can be asked for at once, and with how few nothing is measured."""


def measure(lab: Laboratory) -> Result:
    """Load one server of each way, in turns, and measure each round."""
    rounds, levels, tokens = (1, (LEVEL,), 60) if lab.quick else (3, (1, LEVEL, 32), 300)
    only = _IN_THE_TABLE if lab.quick and lab.ways.keys() >= _IN_THE_TABLE else lab.ways.keys()
    ways = [way for way in lab.ways.values() if way.key in only]
    people = {way.key: way.register() for way in ways}
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    units = {"latency": "ms", "p99": "ms", "rate": "/s", "processor": "µs"}
    distribution: dict[str, dict[str, list[list[float]]]] = defaultdict(dict)

    def one_round(way: Way, credentials: list[Credential], clients: int, *, also: str = "") -> None:
        key = way.key + also + (NEW if len(credentials) > 1 else "")
        before = _processor(lab, way)
        load = drive(way.servers[0], credentials, clients=clients, seconds=1)
        after = _processor(lab, way)
        place = f"{key}, {clients}"
        found["latency"][place].append(load.percentile(50))
        found["p99"][place].append(load.percentile(99))
        if len(credentials) == 1:  # else the load ends with the tokens, and not with the second
            found["rate"][place].append(load.requests / load.seconds)
        for part in (part for part in before if part in after):
            name = place if part == "server" else f"{place}: {part}"
            found["processor"][name].append(1e6 * (after[part] - before[part]) / load.requests)
        distribution[key][str(clients)] = [list(each) for each in load.latency]

    for _ in range(rounds):
        for clients in levels:
            for way in ways:  # in turns, so that a machine's moods are the same for all
                credential = way.log_in(people[way.key])
                one_round(way, [credential], clients)
                if credential.renewal and clients == LEVEL and (made := _new_tokens(lab, way, people[way.key], tokens)):
                    one_round(way, made, clients)
            if {"jwt-followed", "jwt-cookie"} <= lab.ways.keys():
                header = replace(lab.ways["jwt-followed"], servers=lab.ways["jwt-cookie"].servers)
                one_round(header, [header.log_in(people[header.key])], clients, also=DOOR)
    measured = {
        f"{what}: {place}": Measured.of(units[what], values)
        for what, each in found.items()
        for place, values in each.items()
    }
    procedure = (
        f"GET /api/profile straight at one process, over kept connections, by {tool()}, for 1 s with each of "
        f"{', '.join(map(str, levels))} clients; {rounds} rounds, in turns. Each with one credential again and "
        f"again, so a JWT is checked once and then remembered; and the JWT ways, with {LEVEL} clients, also with up to "
        f"{tokens} tokens made beforehand, each sent once, so that every request has a token that the server has not "
        "met. Server, "
        "framework, handler, database and answer are the same for all; only the check of the credential differs. A JWT "
        "in a cookie goes through the gateway, and so, for comparison, does one in a header. The processor's time is "
        "that of the server's process, or the gateway's and the service's, and of the store's where it is one of this "
        "machine."
    )
    return Result(NAME, _claim(measured), procedure, measured, {"distribution": dict(distribution), "tool": tool()})


def _claim(measured: Mapping[str, Measured]) -> str:
    """Say how the JWT ways came out beside the look-up, by what was measured."""
    look_up = next(
        (key for key in ("session-valkey", "session-sqlite") if f"latency: {key}, {LEVEL}" in measured), None
    )
    first, again = (measured.get(f"latency: jwt-followed{each}, {LEVEL}") for each in (NEW, ""))
    if look_up is None or first is None or again is None:
        return "What the check of a credential adds to a whole request."
    other = measured[f"latency: {look_up}, {LEVEL}"]
    return (
        f"Beside a {WAYS[look_up].name}, with {LEVEL} clients on one machine, a whole request takes "
        f"{_TIME[compared(first, other)]} with a JWT that the server has not met, and {_TIME[compared(again, other)]} "
        "with one that it has. With the store elsewhere, that may be otherwise."
    )


def _new_tokens(lab: Laboratory, way: Way, person: Person, count: int) -> list[Credential]:
    """Return tokens of one person, none of them used: as many as are wanted, or as can be made in half a token's life.

    Nothing, when that are so few that nothing can be measured by them.
    """
    made: list[Credential] = []
    until = time.monotonic() + lab.token_life / 2
    while len(made) < count and time.monotonic() < until:
        made.append(way.renew(made[-1]) if len(made) % _OF_ONE_LOGIN else way.log_in(person))
    return made if len(made) >= _ENOUGH else []


def _processor(lab: Laboratory, way: Way) -> dict[str, float]:
    """Return the seconds that a way's server has used, what is behind it, and its store, as far as one can tell."""
    pids = {"server": lab.pid(way.servers[0].name)}
    if way.servers[0].name == "gateway":
        pids["service"] = lab.pid("profile")
    if way.key == "session-valkey" and lab.store is not None and lab.store.pid is not None:
        pids["store"] = lab.store.pid
    found = {part: processor_seconds(pid) for part, pid in pids.items()}
    return {part: seconds for part, seconds in found.items() if seconds is not None}
