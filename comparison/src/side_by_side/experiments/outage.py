"""What still works while the session store, or auth, is away."""

from side_by_side.exchange import ask_once
from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result, Waiting
from side_by_side.ways import Credential, Server

NAME = "outage"
CLAIM = (
    "Without their store, sessions stop at once; without auth, JWTs work on until they expire, and nobody new logs in."
)
PROCEDURE = (
    "People have logged in. The wire between a server and its store is cut; auth is killed. Each server is then "
    "asked ten times with good credentials, and somebody tries to log in. Then all is mended."
)
REQUESTS = 10


def measure(lab: Laboratory) -> Result:
    """Take the store away, then auth, and return when all is mended."""
    return begin(lab)()


def begin(lab: Laboratory) -> Waiting:
    """Take the store away, then auth; what is waited for is that auth is back."""
    measured: dict[str, Measured] = {}
    statuses: dict[str, list[int]] = {}
    if "session-valkey" in lab.ways:
        way, server = lab.ways["session-valkey"], Server("twin-valkey-2", lab.ports["twin-valkey-2"], "/api/profile")
        person = way.register()
        credential = way.log_in(person)
        body = {"email": person.email, "password": person.password}
        lab.store_wire.cut()
        try:
            statuses["session-valkey"] = _asked(server, credential)
            statuses["session-valkey: log in"] = [ask_once(server.port, "POST", "/login", body=body).status]
        finally:
            lab.store_wire.mend()
    people = {key: (way, way.register()) for key, way in lab.ways.items() if way.kind == "jwt"}
    tokens = {key: way.log_in(person) for key, (way, person) in people.items()}
    lab.stack.kill("auth")
    try:
        for key, (way, _) in people.items():
            statuses[key] = _asked(way.servers[0], tokens[key])
            statuses[f"{key}: log in"] = [_status_or_none(way.desk)]
    finally:
        lab.stack.start("auth", until="begun")
    for name, found in statuses.items():
        measured[name] = Measured.of("% answered", [100 * sum(200 <= each < 300 for each in found) / len(found)])
    facts = {"statuses": {name: sorted(set(each)) for name, each in statuses.items()}}

    def mended() -> Result:
        lab.stack.wait_until_ready("auth")
        return Result(NAME, CLAIM, PROCEDURE, measured, facts)

    return mended


def _asked(server: Server, credential: Credential) -> list[int]:
    return [ask_once(server.port, "GET", server.path, credential.headers).status for _ in range(REQUESTS)]


def _status_or_none(port: int) -> int:
    """Return what a log-in is answered, 0 when nobody is there."""
    try:
        return ask_once(port, "POST", "/login", body={"email": "a@example.com", "password": "somebody else"}).status
    except OSError:
        return 0
