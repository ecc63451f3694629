"""`signet compare`: hand over to the comparison, which is a program of its own and may know all of them."""

import importlib.util
import os
import sys

from signet.failure import Failure

_MODULE = "side_by_side"


def compare(*, quick: bool) -> None:
    """Become the comparison: it has this process's terminal, its signals and its exit status. Raises Failure."""
    if importlib.util.find_spec(_MODULE) is None:
        raise Failure("The comparison is not installed here. In a checkout, `make compare` installs and runs it.")
    arguments = ["--quick"] if quick else []
    os.execv(sys.executable, [sys.executable, "-P", "-m", _MODULE, *arguments])  # noqa: S606 -- our own module
