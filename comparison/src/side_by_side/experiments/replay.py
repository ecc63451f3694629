"""Whether a credential that somebody has saved still opens anything after its owner has logged out."""

import time

from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import Credential, Way

NAME = "replay after logout"
CLAIM = "A saved session id is worthless after log-out; a saved plain JWT works on; a followed one does not."
PROCEDURE = "Log in, save the credential, log out, wait for a second, and use what was saved ten times at every server."
USES = 10
WAIT = 1.0
"""Within which Signet promises that every worker knows."""


def measure(lab: Laboratory) -> Result:
    """Replay what was saved, in every way."""
    saved = lab.in_each_way(_saved)
    time.sleep(WAIT)

    def let_in(way: Way) -> Measured:
        accepted = [
            100 * sum(way.use(saved[way.key], server).status == 200 for _ in range(USES)) / USES
            for server in way.servers
        ]
        return Measured.of("% let in", accepted)

    return Result(NAME, CLAIM, PROCEDURE, lab.in_each_way(let_in))


def _saved(way: Way) -> Credential:
    """Return a credential that was good until its owner logged out just now."""
    credential = way.log_in(way.register())
    way.use(credential)
    way.log_out(credential)
    return credential
