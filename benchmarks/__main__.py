"""`python -m benchmarks`: measure, print, and end with status 1 when a promise was not kept.

`--quick` does less of each; names of experiments choose among them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from benchmarks import feed_delivery, logout_latency, refreshes, revoked_entries, rotations
from benchmarks.figures import Figure, machine, table

EXPERIMENTS: Final[Mapping[str, tuple[str, Callable[..., list[Figure]]]]] = {
    "logout": (logout_latency.TITLE, logout_latency.measure),
    "followers": (feed_delivery.TITLE, feed_delivery.measure),
    "entries": (revoked_entries.TITLE, revoked_entries.measure),
    "rotations": (rotations.TITLE, rotations.measure),
    "refreshes": (refreshes.TITLE, refreshes.measure),
}


def main() -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "experiments", nargs="*", metavar="experiment", help=f"of {', '.join(EXPERIMENTS)}; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="do less of each: for a first look")
    arguments = parser.parse_args()
    if unknown := set(arguments.experiments) - set(EXPERIMENTS):
        parser.error(f"there is no experiment {min(unknown)}; there are {', '.join(EXPERIMENTS)}")
    sys.stdout.write(f"Measured on {machine()}.\n\n")
    kept = True
    for name in arguments.experiments or EXPERIMENTS:
        title, measure = EXPERIMENTS[name]
        began = time.monotonic()
        figures = measure(quick=arguments.quick)
        kept = kept and all(figure.kept for figure in figures)
        sys.stdout.write(f"{table(title, figures)}\nIt took {time.monotonic() - began:.0f} s.\n\n")
        sys.stdout.flush()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
