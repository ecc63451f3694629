"""Figures as they are printed: what was measured, beside what was promised."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NO_PROMISE: Final = "-"


@dataclass(frozen=True)
class Figure:
    """One measured figure; `promise` says in words what it has to be, `kept` whether it is."""

    what: str
    measured: str
    promise: str = NO_PROMISE
    kept: bool = True

    @classmethod
    def of_ratio(
        cls, what: str, ratio: float | None, *, least: float | None = None, aim: float | None = None
    ) -> "Figure":
        """Make one of a ratio, None if it could not be measured, that is to be `least` or more, and better `aim`."""
        measured = "not measured" if ratio is None else f"{ratio:.2f}"
        if least is None:
            return cls(what, measured)
        return cls(what, measured, f"at least {least:g} (aim {aim:g})", kept=ratio is not None and ratio >= least)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that `share` of them do not exceed: a value that was really measured."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def milliseconds(seconds: float) -> str:
    """Write a duration for people."""
    return f"{seconds * 1000:.0f} ms"


def spread(seconds: Sequence[float]) -> str:
    """Write the middle, the ninety-ninth percentile and the worst of some durations."""
    middle, late, worst = quantile(seconds, 0.5), quantile(seconds, 0.99), max(seconds)
    return f"{milliseconds(middle)} / {milliseconds(late)} / {milliseconds(worst)}"


def table(title: str, figures: Sequence[Figure], *, depth: int = 2) -> str:
    """Lay figures out as a table in Markdown, under a heading of that depth."""
    rows = [("what", "measured", "promised"), *((each.what, each.measured, _promise(each)) for each in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([f"{'#' * depth} {title}", "", *lines, ""])


def _promise(figure: Figure) -> str:
    return (
        figure.promise if figure.promise == NO_PROMISE else f"{figure.promise}: {'kept' if figure.kept else 'NOT KEPT'}"
    )
