"""Whether one device of several can be logged out from another."""

import time

from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result

NAME = "one device of several"
CLAIM = "Who keeps a record of each login can end one of them and leave the others; a plain JWT's end is not heard of."
PROCEDURE = (
    "One person logs in with three devices; with the first, they end the login of the second in the list of their "
    "logins. A second later each device asks every server."
)
DEVICES = ("laptop", "lost phone", "tablet")


def measure(lab: Laboratory) -> Result:
    """End the second of three devices, in every way."""
    kept = {}
    for way in lab.ways.values():
        person = way.register()
        kept[way.key] = {device: way.log_in(person, device=device) for device in DEVICES}
        way.end_other(kept[way.key]["laptop"], device="lost phone")
    time.sleep(1.0)
    measured = {}
    for way in lab.ways.values():
        let_in = {
            device: [100.0 * (way.use(credential, server).status == 200) for server in way.servers]
            for device, credential in kept[way.key].items()
        }
        measured[f"{way.key}: ended"] = Measured.of("% let in", let_in["lost phone"])
        measured[f"{way.key}: others"] = Measured.of("% let in", let_in["laptop"] + let_in["tablet"])
    return Result(NAME, CLAIM, PROCEDURE, measured)
