"""A contest: several servers are asked the same in turns, A B C A B C: the machine's moods are the same for all.

Who does not pass its check, or breaks off, is named with the reason, and is measured no further.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.checks import Unequal
from benchmarks.findings import Plot, Table
from benchmarks.load import CONNECTIONS, Asking, Load, put_load
from benchmarks.servers import Missing, Running

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Contestant:
    """Someone to be measured: what is asked, a check that raises Unequal, and the processes that answer."""

    name: str
    asking: Asking
    check: Callable[[Asking], None]
    processes: Sequence[Running]

    def cpu(self) -> float:
        """Return the seconds of a core that its processes have used so far."""
        return sum(process.cpu() for process in self.processes)


@dataclass(frozen=True)
class Effort:
    """How long is measured: whole seconds at a time, in so many rounds, after one to warm up."""

    rounds: int
    seconds: int

    @classmethod
    def usual(cls, *, quick: bool) -> "Effort":
        """Return what gives steady ratios, or a first look."""
        return cls(1, 1) if quick else cls(9, 2)

    @classmethod
    def of_pairs(cls, *, quick: bool) -> "Effort":
        """Return what shows a difference of a few per cent between two: turns that are short, and many of them."""
        return cls(3, 1) if quick else cls(30, 1)


@dataclass(frozen=True)
class Outcome:
    """What became of one contestant: a load and its CPU's seconds for each round, and its memory after them."""

    loads: Sequence[Load]
    memory: int
    cpu: Sequence[float]

    @property
    def rate(self) -> float:
        """The median of requests per second."""
        return statistics.median(load.rate for load in self.loads)

    @property
    def spread(self) -> float:
        """How far the rounds are apart, from the slowest to the fastest, as a share of the median."""
        rates = [load.rate for load in self.loads]
        return (max(rates) - min(rates)) / self.rate

    @property
    def cost(self) -> float:
        """Seconds of a core for one request, of all its processes: a busy machine moves this less than the rate."""
        return statistics.median(self.costs)

    @property
    def costs(self) -> Sequence[float]:
        """The same of each round."""
        return [cpu / load.requests for cpu, load in zip(self.cpu, self.loads, strict=True)]

    @property
    def refused(self) -> float:
        """Which share of what it was asked it refused."""
        return sum(load.refused for load in self.loads) / sum(load.requests for load in self.loads)

    @property
    def p99(self) -> float:
        """The median of the rounds' ninety-ninth percentiles, in seconds."""
        return statistics.median(load.p99 for load in self.loads)


@dataclass
class Results:
    """Outcomes by name, and why others have none."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)

    def ratio(self, name: str, base: str) -> float | None:
        """Return how many times the requests of another one somebody answers; None if either is lacking.

        The median of the rounds' own ratios: within one round, the machine was the same for both.
        """
        if name not in self.outcomes or base not in self.outcomes:
            return None
        rounds = zip(self.outcomes[name].loads, self.outcomes[base].loads, strict=True)
        return statistics.median(load.rate / other.rate for load, other in rounds)

    def cost_ratio(self, name: str, base: str) -> float | None:
        """Return how many times the CPU of another one somebody takes for a request, likewise."""
        if name not in self.outcomes or base not in self.outcomes:
            return None
        rounds = zip(self.outcomes[name].costs, self.outcomes[base].costs, strict=True)
        return statistics.median(cost / other for cost, other in rounds)

    def p99_ratio(self, name: str, base: str) -> float | None:
        """Return how many times the ninety-ninth percentile of another one somebody has, likewise."""
        if name not in self.outcomes or base not in self.outcomes:
            return None
        rounds = zip(self.outcomes[name].loads, self.outcomes[base].loads, strict=True)
        return statistics.median(load.p99 / other.p99 for load, other in rounds)

    def table(self, title: str, *, base: str) -> Table:
        """Lay it out, in ratios to one of them. Those that are lacking stand at the end, with the reason."""
        rows = [
            (name, f"{outcome.rate:,.0f}", _times(self.ratio(name, base)), f"{outcome.spread * 100:.0f} %",
             f"{outcome.p99 * 1000:.1f}", f"{outcome.cost * 1e6:.0f}", f"{outcome.memory / MEBIBYTE:.0f}")
            for name, outcome in self.outcomes.items()
        ]  # fmt: skip
        rows += [(name, f"not measured: {why}", "-", "-", "-", "-", "-") for name, why in self.lacking.items()]
        return Table(title, ("who", "requests/s", f"× {base}", "spread", "p99 ms", "CPU µs", "memory MiB"), rows)

    def plot(self, name: str, title: str, *, base: str) -> Plot:
        """Draw the ratios to one of them."""
        ratios = {each: self.ratio(each, base) for each in self.outcomes}
        return Plot(name, title, f"× {base}", bars={each: ratio for each, ratio in ratios.items() if ratio is not None})


def hold(
    contestants: Iterable[Contestant],
    effort: Effort,
    *,
    core: int | None,
    connections: int = CONNECTIONS,
    lacking: Mapping[str, str] | None = None,
    warm: bool = False,
    may_refuse: bool = False,
) -> Results:
    """Check everyone, warm them up unless they are, and measure them in turns.

    `lacking`: who could not even come, and why. `may_refuse`: where there is too much to do, so that what is refused is
    a finding, not a fault.
    """
    results = Results(lacking=dict(lacking or {}))
    loads: dict[str, list[Load]] = {}
    cpu: defaultdict[str, list[float]] = defaultdict(list)
    present: list[Contestant] = []
    for each in contestants:
        try:
            each.check(each.asking)
            if not warm:
                _one_load(each, 1, core, connections, may_refuse=may_refuse)
            present.append(each)
        except (Unequal, Missing) as fault:
            results.lacking[each.name] = str(fault)
    for _ in range(effort.rounds):
        for each in present:
            if each.name in results.lacking:
                continue
            done = loads.setdefault(each.name, [])
            try:
                # Goes on where it ended: what was seen is new again only after all others.
                first = sum(load.requests for load in done)
                used = each.cpu()
                done.append(_one_load(each, effort.seconds, core, connections, first=first, may_refuse=may_refuse))
                cpu[each.name].append(each.cpu() - used)
            except Unequal as fault:
                results.lacking[each.name] = str(fault)
    for each in present:
        if each.name not in results.lacking:
            memory = sum(process.memory() for process in each.processes)
            results.outcomes[each.name] = Outcome(loads[each.name], memory, cpu[each.name])
    return results


def _one_load(
    each: Contestant, seconds: int, core: int | None, connections: int, *, first: int = 0, may_refuse: bool
) -> Load:
    load = put_load(each.asking, seconds=seconds, core=core, connections=connections, first=first)
    if load.requests == load.refused:
        raise Unequal(f"it answered nothing well within {seconds} s")
    if load.broken or (load.refused and not may_refuse):
        raise Unequal(f"of {load.requests} requests it refused {load.refused}, and {load.broken} had no answer")
    return load


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
