"""The laboratory beside the four services: what runs for comparison alone, and only when it is asked for."""

import importlib.util

from signet.environment import MODULES, PLAIN, SESSION_TWIN
from signet.failure import Failure

TWINS = {PLAIN: "profile", SESSION_TWIN: SESSION_TWIN}
"""Two further processes: profile once more, on the same data, which follows no feed; and the same small app with
sessions, which has accounts of its own."""

ENVIRONMENT = {PLAIN: {"SIGNET_REVOCATIONS_MODE": "plain"}}


def require_installed() -> None:
    """Raise Failure where the session twin is not installed: no service needs it, and no image has it."""
    if importlib.util.find_spec(MODULES[SESSION_TWIN]) is None:
        raise Failure("The session twin is not installed here. In a checkout, `make up LABORATORY=1` installs it.")
