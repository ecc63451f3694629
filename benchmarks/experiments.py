"""The experiments by name, in the order in which they are run and told."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from benchmarks import (
    clients_growth,
    end_to_end,
    feed_delivery,
    gateways,
    login_flood,
    logout_latency,
    orders_growth,
    refreshes,
    resource_servers,
    revoked_entries,
    rotations,
    start_up,
    verification_growth,
)
from benchmarks.findings import Findings


class Experiment(NamedTuple):
    """What is measured, for how many seconds at most, and whether a first look of three minutes has time for it.

    The deadline only ends what hangs.
    """

    title: str
    measure: Callable[..., Findings]
    deadline: float = 300.0
    in_first_look: bool = True


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "profile": Experiment(resource_servers.TITLE, resource_servers.measure, 600),
    "gateway": Experiment(gateways.TITLE, gateways.measure),
    "chain": Experiment(end_to_end.TITLE, end_to_end.measure),
    "clients": Experiment(clients_growth.TITLE, clients_growth.measure, 480),
    "flood": Experiment(login_flood.TITLE, login_flood.measure),
    "start": Experiment(start_up.TITLE, start_up.measure),
    "verification": Experiment(verification_growth.TITLE, verification_growth.measure),
    "orders": Experiment(orders_growth.TITLE, orders_growth.measure),
    "logout": Experiment(logout_latency.TITLE, logout_latency.measure, 480, in_first_look=False),
    "followers": Experiment(feed_delivery.TITLE, feed_delivery.measure, in_first_look=False),
    "entries": Experiment(revoked_entries.TITLE, revoked_entries.measure),
    "rotations": Experiment(rotations.TITLE, rotations.measure, in_first_look=False),
    "refreshes": Experiment(refreshes.TITLE, refreshes.measure, in_first_look=False),
}
