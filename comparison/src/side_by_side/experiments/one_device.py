"""Whether one device of several can be logged out from another."""

import time

from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import Credential, Way

NAME = "one device of several"
CLAIM = "Who keeps a record of each login can end one of them and leave the others; a plain JWT's end is not heard of."
PROCEDURE = (
    "One person logs in with three devices; with the first, they end the login of the second in the list of their "
    "logins. A second later each device asks every server."
)
DEVICES = ("laptop", "lost phone", "tablet")


def measure(lab: Laboratory) -> Result:
    """End the second of three devices, in every way."""
    kept = lab.in_each_way(_kept)
    time.sleep(1.0)

    def let_in(way: Way) -> dict[str, list[float]]:
        return {
            device: [100.0 * (way.use(credential, server).status == 200) for server in way.servers]
            for device, credential in kept[way.key].items()
        }

    measured = {}
    for key, each in lab.in_each_way(let_in).items():
        measured[f"{key}: ended"] = Measured.of("% let in", each["lost phone"])
        measured[f"{key}: others"] = Measured.of("% let in", each["laptop"] + each["tablet"])
    return Result(NAME, CLAIM, PROCEDURE, measured)


def _kept(way: Way) -> dict[str, Credential]:
    """Return what each of one person's devices keeps, the second of which was logged out from the first just now."""
    person = way.register()
    kept = {device: way.log_in(person, device=device) for device in DEVICES}
    way.end_other(kept["laptop"], device="lost phone")
    return kept
