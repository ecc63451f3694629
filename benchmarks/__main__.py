"""`python -m benchmarks`: measure, print, write a report, and end with status 1 when a promise was not kept.

`--quick` does less of each; names of experiments choose among them. A full run of all writes `benchmarks/report.md` and
its plots, any other one `.bench/report.md`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.experiments import EXPERIMENTS
from benchmarks.figures import Figure
from benchmarks.findings import Findings
from benchmarks.report import Report, chapter
from benchmarks.servers import Missing

HERE = Path(__file__).parent
LONGEST = 29 * 60.0
"""Seconds for all of them: whatever has not come to its end by then is reported as such."""


def main() -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "experiments", nargs="*", metavar="experiment", help=f"of {', '.join(EXPERIMENTS)}; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="do less of each: for a first look")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.experiments) - set(EXPERIMENTS):
        parser.error(f"there is no experiment {min(unknown)}; there are {', '.join(EXPERIMENTS)}")
    if arguments.into:
        (name,) = arguments.experiments
        try:
            findings = EXPERIMENTS[name].measure(quick=arguments.quick)
        except Missing as fault:
            findings = _nothing(f"not measured: {fault}")
        arguments.into.write_text(json.dumps(findings.as_json()), "utf-8")
        return 0
    chosen = [name for name, experiment in EXPERIMENTS.items() if experiment.in_first_look or not arguments.quick]
    return _run_all(arguments.experiments or chosen, quick=arguments.quick)


def _run_all(names: list[str], *, quick: bool) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C does: what was started ends first
    ends = time.monotonic() + LONGEST
    report = Report.begun(quick=quick)
    sys.stdout.write(f"{report.preface()}\n")
    for name in names:
        began = time.monotonic()
        findings = run_apart(name, quick=quick, deadline=max(1.0, min(EXPERIMENTS[name].deadline, ends - began)))
        report.add(name, EXPERIMENTS[name].title, findings, seconds=time.monotonic() - began)
        sys.stdout.write(f"{chapter(report.chapters[-1], plots=False)}\n")
        sys.stdout.flush()
    whole = not quick and names == list(EXPERIMENTS)
    written = report.write(HERE if whole else HERE.parent / ".bench")
    sys.stdout.write(f"The report is {written}.\n")
    return 0 if report.kept else 1


def run_apart(name: str, *, quick: bool, deadline: float) -> Findings:
    """Run one experiment in a process of its own: whatever becomes of it, the others' findings are there."""
    with tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        into = Path(folder) / "findings.json"
        command = [sys.executable, "-m", "benchmarks", name, "--into", str(into), *(["--quick"] if quick else [])]
        process = subprocess.Popen(command, cwd=HERE.parent, start_new_session=True)  # noqa: S603 -- ourselves
        try:
            status = process.wait(deadline)
        except subprocess.TimeoutExpired:
            lack = f"it was not done after {deadline:g} s"
        else:
            if status == 0:
                return Findings.of_json(json.loads(into.read_text("utf-8")))
            lack = f"it broke off, status {status}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return _nothing(lack)


def _nothing(lack: str) -> Findings:
    return Findings(figures=[Figure("the experiment", lack, "it comes to its end", kept=False)])


if __name__ == "__main__":
    sys.exit(main())
