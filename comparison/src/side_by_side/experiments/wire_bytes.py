"""How many bytes a request is, with each credential."""

from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result

NAME = "bytes on the wire"
CLAIM = "A session id is small; a JWT carries its claims and a signature with every request."
PROCEDURE = (
    "One GET /api/profile with no header but Host and the credential, for two logins each; the bytes of HTTP in "
    "both directions, without those of TCP and TLS. The answers are the same."
)

LOGINS = 2


def measure(lab: Laboratory, *, name: str = "Ada Lovelace") -> Result:
    """Count the bytes of requests and answers. `name`: what the people are called."""
    measured = {}
    for way in lab.ways.values():
        person = way.register(name)
        replies = [way.use(way.log_in(person)) for _ in range(LOGINS)]
        measured[f"request: {way.key}"] = Measured.of("B", [reply.sent for reply in replies])
        measured[f"answer: {way.key}"] = Measured.of("B", [reply.received for reply in replies])
    return Result(NAME, CLAIM, PROCEDURE, measured)
