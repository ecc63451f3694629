"""How many bytes a request is, with each credential."""

from side_by_side.exchange import Reply
from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import Way

NAME = "bytes on the wire"
CLAIM = "A session id is small; a JWT carries its claims and a signature with every request."
PROCEDURE = (
    "One GET /api/profile with no header but Host and the credential, for two logins each; the bytes of HTTP in "
    "both directions, without those of TCP and TLS. The answers are the same."
)

LOGINS = 2


def measure(lab: Laboratory, *, name: str = "Ada Lovelace") -> Result:
    """Count the bytes of requests and answers. `name`: what the people are called."""

    def answered(way: Way) -> list[Reply]:
        person = way.register(name)
        return [way.use(way.log_in(person)) for _ in range(LOGINS)]

    measured = {}
    for key, replies in lab.in_each_way(answered).items():
        measured[f"request: {key}"] = Measured.of("B", [reply.sent for reply in replies])
        measured[f"answer: {key}"] = Measured.of("B", [reply.received for reply in replies])
    return Result(NAME, CLAIM, PROCEDURE, measured)
