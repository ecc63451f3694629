"""What an experiment has found: figures beside what was promised, tables, and plots. All of it goes through JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from benchmarks.figures import Figure


@dataclass(frozen=True)
class Table:
    """Rows of cells under a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Plot:
    """Numbers to be looked at: `bars` by name, or `lines` of (x, y) by name, on axes that may be logarithmic.

    `name` is that of its file, without an ending.
    """

    name: str
    title: str
    y: str
    x: str = ""
    bars: Mapping[str, float] = field(default_factory=dict)
    lines: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    logarithmic: Literal["", "x", "xy"] = ""


@dataclass(frozen=True)
class Findings:
    """All that one experiment has found. `notes` are sentences about how it was measured and what was missing."""

    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(figure.kept for figure in self.figures)

    def as_json(self) -> dict[str, Any]:
        """Return it in the form that `of_json` reads."""
        return asdict(self)

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Self:
        """Return what `as_json` was told of."""
        return cls(
            figures=[Figure(**each) for each in told["figures"]],
            tables=[Table(**each) for each in told["tables"]],
            plots=[Plot(**each) for each in told["plots"]],
            notes=told["notes"],
        )
