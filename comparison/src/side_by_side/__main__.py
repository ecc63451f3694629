"""`python -m side_by_side`: run every experiment, print the table, and write the report."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from side_by_side import machine, report
from side_by_side.article import Row, rows
from side_by_side.experiments import EXPERIMENTS, outage
from side_by_side.laboratory import Laboratory, laboratory
from side_by_side.result import Result, Waiting
from side_by_side.ways import ExpiredError, UnexpectedAnswerError
from signet.failure import Failure
from signet.signals import Interrupted, interruptible

TRIES = 3
"""How often an experiment is begun whose tokens expire too soon: on a busy machine they may."""

_COLOURS = {"as it says": "green", "not so": "red", "not that simple": "yellow"}


def main() -> int:
    """Run what was asked for; return the exit status: 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="signet compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look: report-quick.html")
    parser.add_argument("--folder", type=Path, default=Path("comparison"), help="where the report is written")
    arguments = parser.parse_args()
    console = Console()
    try:
        with interruptible():
            compare(console, arguments.folder, quick=arguments.quick)
    except Failure as failure:
        console.print(f"signet compare: {failure}", style="red", markup=False)
        console.print(failure.excerpt, markup=False)
        return failure.status
    except (UnexpectedAnswerError, OSError) as error:
        console.print(f"signet compare: {error}", style="red", markup=False)
        return 1
    except Interrupted as interrupted:
        return 128 + interrupted.number
    return 0


def compare(console: Console, folder: Path, *, quick: bool) -> None:
    """Measure everything, print the table, and write `report.html` and `report.json`, or `report-quick.…`.

    Raises Failure when a process does not start, UnexpectedAnswerError when one does not answer as it has to.
    """
    began = time.monotonic()
    on = machine.description()
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting the processes", total=len(EXPERIMENTS))
        with laboratory(Path.cwd(), quick=quick) as lab:
            begun: dict[str, Result | Waiting] = {}
            for name, begin in EXPERIMENTS.items():
                progress.update(task, description=name)
                if name == outage.NAME:  # from here on processes are ended, which somebody may be waiting for
                    begun |= _ended(begun)
                begun[name] = _begun(begin, lab)
                progress.advance(task)
            results = _ended(begun)
            notes = [f"Valkey in this run: {lab.store.what}."] if lab.store else [f"Without Valkey: {lab.no_store}."]
            progress.update(task, description="ending the processes")
    table = rows(results)
    console.print(_printed(table))
    took = time.monotonic() - began
    document = report.as_json(results, table, on | {"took": f"{took:.0f} s"}, notes, quick=quick)
    page = report.write(folder, "report-quick" if quick else "report", document)
    console.print(f"Measured in {took:.0f} s. {page} has the plots and every figure.", highlight=False)


def _begun(begin: Callable[[Laboratory], Result | Waiting], lab: Laboratory) -> Result | Waiting:
    for _ in range(TRIES - 1):
        with contextlib.suppress(ExpiredError):
            return begin(lab)
    return begin(lab)


def _ended(begun: Mapping[str, Result | Waiting]) -> dict[str, Result]:
    return {name: each if isinstance(each, Result) else each() for name, each in begun.items()}


def _printed(table: Sequence[Row]) -> Table:
    printed = Table(show_lines=True)
    for title in (
        "",
        "session\narticle / [bold]measured[/]",
        "JWT\narticle / [bold]plain[/]",
        "[bold]JWT, followed[/]",
        "[bold]JWT in a cookie[/]",
        "",
    ):
        printed.add_column(title, overflow="fold")
    for row in table:
        printed.add_row(
            row.property,
            f"{row.article_session}\n[bold]{row.session}[/]",
            f"{row.article_jwt}\n[bold]{row.plain}[/]",
            f"[bold]{row.followed}[/]",
            f"[bold]{row.cookie}[/]",
            f"[{_COLOURS[row.verdict]}]{row.verdict}[/]",
        )
    return printed


if __name__ == "__main__":
    sys.exit(main())
