"""The report: what was measured on which machine, what was promised and kept, and each experiment in a chapter."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import NO_PROMISE, Figure, table
from benchmarks.findings import Findings, Table
from benchmarks.machine import machine, versions
from benchmarks.plots import drawn


class Chapter(NamedTuple):
    """One experiment in the report."""

    name: str
    title: str
    findings: Findings
    seconds: float


@dataclass
class Report:
    """What is written down of a run."""

    began: dt.datetime
    machine: str
    versions: Mapping[str, str]
    quick: bool
    chapters: list[Chapter] = field(default_factory=list)

    @classmethod
    def begun(cls, *, quick: bool) -> "Report":
        """Begin one, on this machine, now."""
        return cls(dt.datetime.now(dt.UTC), machine(), versions(), quick)

    def add(self, name: str, title: str, findings: Findings, *, seconds: float) -> None:
        """Add a chapter."""
        self.chapters.append(Chapter(name, title, findings, seconds))

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(chapter.findings.kept for chapter in self.chapters)

    def preface(self) -> str:
        """Say when, on what and with what was measured."""
        how = ", a first look: less of each" if self.quick else ""
        return f"Measured on {self.began:%Y-%m-%d at %H:%M} UTC on {self.machine}{how}.\n"

    def text(self) -> str:
        """Return the whole in Markdown."""
        parts = ["# What was measured", "", self.preface(), _HOW, self._promises(), self._versions()]
        return "\n".join([*parts, *(chapter(each) for each in self.chapters)])

    def write(self, folder: Path) -> Path:
        """Write it into a folder, with its plots in another beside it, and return its path."""
        plots = folder / "plots"
        plots.mkdir(parents=True, exist_ok=True)
        for each in self.chapters:
            for plot in each.findings.plots:
                (plots / f"{plot.name}.svg").write_text(drawn(plot), "utf-8")
        written = folder / "report.md"
        written.write_text(self.text(), "utf-8")
        return written

    def _promises(self) -> str:
        promised = [
            Figure(f"[{each.name}](#{each.name}): {figure.what}", figure.measured, figure.promise, figure.kept)
            for each in self.chapters
            for figure in each.findings.figures
            if figure.promise != NO_PROMISE
        ]
        return table("What was promised", promised)

    def _versions(self) -> str:
        rows = [(name, version) for name, version in self.versions.items()]
        return _tabled(Table("Versions", ("what", "version"), rows))


def chapter(each: Chapter, *, plots: bool = True) -> str:
    """Return one chapter in Markdown."""
    parts = [f"## {each.name}", "", f"{each.title}.", ""]
    for sentence in each.findings.notes:
        parts += [sentence, ""]
    parts += [_tabled(found) for found in each.findings.tables]
    if plots:
        parts += [f"![{plot.title}](plots/{plot.name}.svg)\n" for plot in each.findings.plots]
    if each.findings.figures:
        parts.append(table("Figures", each.findings.figures, depth=3))
    return "\n".join([*parts, f"It took {each.seconds:.0f} s.", ""])


def _tabled(found: Table) -> str:
    lines = [found.columns, ["---"] * len(found.columns), *found.rows]
    return "\n".join([f"### {found.title}", "", *(_row(line) for line in lines), ""])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


_HOW = """\
Absolute figures drift by a tenth and more from run to run; only ratios within one run count. Contestants are asked in
turns, A B C A B C, so that the machine's moods are the same for all: figures are medians of the rounds, ratios those of
the rounds' own ratios, and the spread is the distance from the slowest to the fastest round. Whoever is measured has
one core, the load (wrk, one thread, 32 connections that are kept) the other. Before any time is taken, each has to give
the same answer as all others, byte by byte, and to refuse forged, expired and foreign credentials. "CPU" is what a
request costs all the processes of one of them: a busy machine moves it less than the rate.
"""
