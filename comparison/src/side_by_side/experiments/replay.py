"""Whether a credential that somebody has saved still opens anything after its owner has logged out."""

import time

from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result

NAME = "replay after logout"
CLAIM = "A saved session id is worthless after log-out; a saved plain JWT works on; a followed one does not."
PROCEDURE = "Log in, save the credential, log out, wait for a second, and use what was saved ten times at every server."
USES = 10
WAIT = 1.0
"""Within which Signet promises that every worker knows."""


def measure(lab: Laboratory) -> Result:
    """Replay what was saved, in every way."""
    saved = {}
    for way in lab.ways.values():
        person = way.register()
        saved[way.key] = way.log_in(person)
        way.use(saved[way.key])
        way.log_out(saved[way.key])
    time.sleep(WAIT)
    measured = {}
    for way in lab.ways.values():
        accepted = [
            100 * sum(way.use(saved[way.key], server).status == 200 for _ in range(USES)) / USES
            for server in way.servers
        ]
        measured[way.key] = Measured.of("% let in", accepted)
    return Result(NAME, CLAIM, PROCEDURE, measured)
