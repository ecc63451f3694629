"""What an experiment says: a claim, how it was examined, and measured values with their unit and spread."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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


def shown(value: float) -> str:
    """Write a number for people: three digits that count, no exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2
    return f"{value:.{digits if abs(value) >= 1 else 3}f}".rstrip("0").rstrip(".")
