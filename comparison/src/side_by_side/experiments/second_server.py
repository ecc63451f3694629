"""Whether a server lets in who has logged in at another one."""

from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import Way

NAME = "second server"
CLAIM = "Sessions need a store that all servers share; a JWT is good wherever the issuer's public keys are."
PROCEDURE = (
    "People log in once and go to every other server. For sessions in memory, that is a second server of the same "
    "app with another store; for those in Valkey, one with the same store; for JWTs, "
    "another process of profile and another service, orders, which share no store with it; for one in a cookie, orders "
    "behind the same gateway, since a browser sends a cookie to no other host."
)
LOGINS = 3


def measure(lab: Laboratory) -> Result:
    """Count who is let in elsewhere."""
    other = lab.way("session-valkey", "session-sqlite").servers[-1]
    others = {
        "session-memory": [other],
        "session-valkey": [other],
        "jwt-plain": list(lab.ways["jwt-followed"].servers),
        "jwt-followed": list(lab.ways["jwt-followed"].servers[1:]),
        "jwt-cookie": list(lab.ways["jwt-cookie"].servers[1:]),
    }

    def let_in(way: Way) -> list[float]:
        if way.key not in others:
            return []
        person = way.register()
        credentials = [way.log_in(person) for _ in range(LOGINS)]
        return [
            100 * sum(way.use(each, server).status == 200 for each in credentials) / LOGINS
            for server in others[way.key]
        ]

    measured = {key: Measured.of("% let in", each) for key, each in lab.in_each_way(let_in).items() if each}
    return Result(NAME, CLAIM, PROCEDURE, measured)
