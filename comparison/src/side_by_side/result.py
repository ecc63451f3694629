"""What an experiment says: a claim, how it was examined, and measured values with their unit and spread."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Measured:
    """Several values of one quantity, as they were measured."""

    unit: str
    values: tuple[float, ...]

    @classmethod
    def of(cls, unit: str, values: Sequence[float]) -> "Measured":
        """Return the values of a quantity. ValueError when there are none."""
        if not values:
            raise ValueError(f"nothing was measured, in {unit}")
        return cls(unit, tuple(values))

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """The median with its unit, and the spread where there is one."""
        middle, low, high = (shown(value) for value in (self.median, min(self.values), max(self.values)))
        spread = "" if low == high else f" ({low} to {high})"
        return f"{middle} {self.unit}{spread}"

    def as_json(self) -> dict[str, Any]:
        """Return it as members of the report's JSON."""
        return {
            "unit": self.unit,
            "median": self.median,
            "low": min(self.values),
            "high": max(self.values),
            "values": list(self.values),
        }


@dataclass(frozen=True)
class Result:
    """One experiment's. `measured` is by way, or by whatever else `procedure` compares; `facts` is for plots."""

    name: str
    claim: str
    procedure: str
    measured: Mapping[str, Measured]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, name: str, said: Mapping[str, Any]) -> "Result":
        """Read what `as_json` wrote."""
        measured = {what: Measured(each["unit"], tuple(each["values"])) for what, each in said["measured"].items()}
        return cls(name, said["claim"], said["procedure"], measured, said["facts"])

    def as_json(self) -> dict[str, Any]:
        """Return it as a member of the report's JSON."""
        return {
            "claim": self.claim,
            "procedure": self.procedure,
            "measured": {name: each.as_json() for name, each in self.measured.items()},
            "facts": dict(self.facts),
        }


Waiting = Callable[[], Result]
"""What is left of an experiment that only waits: called, it does so, and returns the result.

Until then no process may be ended.
"""


def compared(one: Measured, other: Measured) -> Literal["more", "less", "the same"]:
    """Say how one quantity is beside another: the same where their spreads meet, or are less than a tenth apart."""
    if min(one.values) > 1.1 * max(other.values):
        return "more"
    return "less" if 1.1 * max(one.values) < min(other.values) else "the same"


def shown(value: float) -> str:
    """Write a number for people: two digits that count, of what is 100 or more the whole number, no exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 10:
        return f"{value:,.0f}"
    digits = 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")
