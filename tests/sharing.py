"""How two workers share the tests (`pytest -n 2`): all that need the same system go to one of them, and go first."""

import re

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_SYSTEM = re.compile(r"tests/.*[\[-](embedded|compose|postgres)[\]-]")

# Two sets of containers at once are more than a small machine has time for: one worker has both, one after the other.
_SHARES = {"compose": "containers", "postgres": "containers", "embedded": "embedded"}
_FIRST = list(dict.fromkeys(_SHARES.values()))


def _share(nodeid: str) -> str | None:
    system = _SYSTEM.match(nodeid)
    return _SHARES[system[1]] if system else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes one worker longest, where there are several."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _FIRST.index(share) if (share := _share(item.nodeid)) else len(_FIRST))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out the tests one by one, but a system's in one piece."""
    return _Scheduling(config, log)


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        return _share(nodeid) or nodeid
