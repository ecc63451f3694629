"""What is left of people's logins when a server is started again."""

import contextlib
from collections.abc import Mapping

from side_by_side.laboratory import PLAIN, Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import ExpiredError, Way

NAME = "server restart"
CLAIM = (
    "A server that remembers in its memory forgets everyone at a restart; with a store of its own, or with JWTs, "
    "nobody notices."
)
PROCEDURE = (
    "People log in and are let in; the server that let them in is killed and started again; how many of them it "
    "then lets in. Tokens live for seconds here: where one expired before its server was back, that is tried "
    "again."
)
LOGINS = 3
TRIES = 3
RESTARTED = {
    "session-memory": "twin-memory",
    "session-sqlite": "twin-sqlite",
    "session-valkey": "twin-valkey",
    "jwt-plain": PLAIN,
    "jwt-followed": "profile",
    "jwt-cookie": "gateway",
}


def measure(lab: Laboratory) -> Result:
    """Restart one server of each way, all of a kind at once: tokens wait for as few servers as possible."""
    sessions = _known_after(lab, {key: way for key, way in lab.ways.items() if way.kind == "session"})
    lab.stack.wait_until_ready("auth")  # after an outage it is on its way
    tokens = _known_after(lab, {key: way for key, way in lab.ways.items() if way.kind == "jwt"})
    return Result(NAME, CLAIM, PROCEDURE, sessions | tokens)


def _known_after(lab: Laboratory, ways: Mapping[str, Way]) -> dict[str, Measured]:
    people = {key: way.register() for key, way in ways.items()}
    left, known = dict(ways), {}
    for _ in range(TRIES):
        kept = {key: [way.log_in(people[key]) for _ in range(LOGINS)] for key, way in left.items()}
        lab.restart(*(RESTARTED[key] for key in left))
        for key, way in list(left.items()):
            with contextlib.suppress(ExpiredError):
                known[key] = Measured.of(f"of {LOGINS}", [sum(way.use(each).status == 200 for each in kept[key])])
                del left[key]
        if not left:
            return known
    raise ExpiredError(f"servers take longer to start than a token lives, {TRIES} times out of {TRIES}")
