"""What is left of people's logins when a server is started again."""

from side_by_side.laboratory import PLAIN, Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import Credential, Person, UnexpectedAnswerError, Way

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
TRIES = 5
RESTARTED = {
    "session-memory": "twin-memory",
    "session-sqlite": "twin-sqlite",
    "session-valkey": "twin-valkey",
    "jwt-plain": PLAIN,
    "jwt-followed": "profile",
}


def measure(lab: Laboratory) -> Result:
    """Restart one server of each way."""
    sessions = {key: way for key, way in lab.ways.items() if way.kind == "session"}
    kept = {key: _logged_in(way, way.register()) for key, way in sessions.items()}
    lab.restart(*(RESTARTED[key] for key in sessions))
    accepted = {key: sum(way.use(each).status == 200 for each in kept[key]) for key, way in sessions.items()}
    for key, way in lab.ways.items():
        if way.kind == "jwt":
            accepted[key] = _after_restart(lab, way, RESTARTED[key])
    return Result(NAME, CLAIM, PROCEDURE, {key: Measured.of(f"of {LOGINS}", [each]) for key, each in accepted.items()})


def _logged_in(way: Way, person: Person) -> list[Credential]:
    return [way.log_in(person) for _ in range(LOGINS)]


def _after_restart(lab: Laboratory, way: Way, server: str) -> int:
    """Return how many tokens are good after a restart that was faster than their end."""
    person = way.register()
    for _ in range(TRIES):
        kept = _logged_in(way, person)
        lab.restart(server)
        answers = [way.use(each) for each in kept]
        if not any(answer.status == 401 and answer.json()["reason"] == "expired" for answer in answers):
            return sum(answer.status == 200 for answer in answers)
    raise UnexpectedAnswerError(f"{server} takes longer to start than a token lives, {TRIES} times out of {TRIES}")
