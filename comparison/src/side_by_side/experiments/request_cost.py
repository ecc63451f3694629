"""What the check of a credential costs: latency, and time of the processor, with few clients and with many."""

from collections import defaultdict

from side_by_side.laboratory import Laboratory
from side_by_side.load import drive, tool
from side_by_side.processor_time import processor_seconds
from side_by_side.result import Measured, Result
from side_by_side.ways import Way

NAME = "request cost"
CLAIM = "A signature check and a look-up cost about the same on one machine; what matters is where the store is."


def measure(lab: Laboratory) -> Result:
    """Load one server of each way, in turns, and measure each round."""
    rounds, levels = (1, (8,)) if lab.quick else (3, (1, 8, 32))
    people = {way.key: way.register() for way in lab.ways.values()}
    latency: dict[str, list[float]] = defaultdict(list)
    late: dict[str, list[float]] = defaultdict(list)
    processor: dict[str, list[float]] = defaultdict(list)
    rate: dict[str, list[float]] = defaultdict(list)
    distribution: dict[str, dict[str, list[list[float]]]] = defaultdict(dict)
    for _ in range(rounds):
        for clients in levels:
            for way in lab.ways.values():  # in turns, so that a machine's moods are the same for all
                credential = way.log_in(people[way.key])
                before = _processor(lab, way)
                load = drive(way.servers[0], credential, clients=clients, seconds=1)
                after = _processor(lab, way)
                place = f"{way.key}, {clients}"
                latency[place].append(load.percentile(50))
                late[place].append(load.percentile(99))
                rate[place].append(load.requests / load.seconds)
                for part in before.keys() & after.keys():
                    name = place if part == "server" else f"{place}: {part}"
                    processor[name].append(1e6 * (after[part] - before[part]) / load.requests)
                distribution[way.key][str(clients)] = [list(each) for each in load.latency]
    measured = {f"latency: {place}": Measured.of("ms", values) for place, values in latency.items()}
    measured |= {f"p99: {place}": Measured.of("ms", values) for place, values in late.items()}
    measured |= {f"rate: {place}": Measured.of("/s", values) for place, values in rate.items()}
    measured |= {f"processor: {place}": Measured.of("µs", values) for place, values in processor.items()}
    procedure = (
        f"GET /api/profile straight at one process, over kept connections, by {tool()}, for 1 s with each of "
        f"{', '.join(map(str, levels))} clients, {rounds} rounds, the ways in turns. Server, "
        "framework, handler, database and answer are the same for all; only the check of the credential differs. The "
        "processor's time is that of the server's process, and of the store's where it is one of this machine."
    )
    return Result(NAME, CLAIM, procedure, measured, {"distribution": dict(distribution), "tool": tool()})


def _processor(lab: Laboratory, way: Way) -> dict[str, float]:
    """Return the seconds that the server of a way has used, and its store, as far as one can tell."""
    pids = {"server": lab.pid(way.servers[0].name)}
    if way.key == "session-valkey" and lab.store is not None and lab.store.pid is not None:
        pids["store"] = lab.store.pid
    found = {part: processor_seconds(pid) for part, pid in pids.items()}
    return {part: seconds for part, seconds in found.items() if seconds is not None}
