"""The experiments: each a module with one claim, one procedure and one result, run against real processes."""

from collections.abc import Callable
from typing import Final

from side_by_side.experiments import (
    check_cost,
    cookie_scope,
    forgery,
    logout_timeline,
    look_ups,
    one_device,
    outage,
    page_script,
    replay,
    request_cost,
    second_server,
    server_restart,
    stored_state,
    wire_bytes,
)
from side_by_side.laboratory import Laboratory
from side_by_side.result import Result, Waiting

EXPERIMENTS: Final[dict[str, Callable[[Laboratory], Result | Waiting]]] = {
    # By how much databases grow, as long as nothing has ended that auth could clear away meanwhile.
    stored_state.NAME: stored_state.measure,
    # What these measure is time, and nobody else has the machine; of the last one some waiting is left.
    check_cost.NAME: check_cost.measure,
    request_cost.NAME: request_cost.measure,
    logout_timeline.NAME: logout_timeline.begin,
    # What these find does not depend on the time that it takes.
    second_server.NAME: second_server.measure,
    look_ups.NAME: look_ups.measure,
    wire_bytes.NAME: wire_bytes.measure,
    replay.NAME: replay.measure,
    one_device.NAME: one_device.measure,
    forgery.NAME: forgery.measure,
    page_script.NAME: page_script.measure,
    cookie_scope.NAME: cookie_scope.measure,
    # The last two disturb the processes.
    outage.NAME: outage.begin,
    server_restart.NAME: server_restart.measure,
}
"""In the order in which they are begun. One that only waits any more does so beside those that follow it."""
