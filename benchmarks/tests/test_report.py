"""The report says what was measured, what was not, and what was promised."""

import datetime as dt
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.__main__ import run_apart
from benchmarks.contest import Outcome, Results
from benchmarks.figures import Figure
from benchmarks.findings import Findings, Plot
from benchmarks.load import Load
from benchmarks.report import Report

PEERS = Path(__file__).parents[1] / "peers"


def load(rate: int) -> Load:
    return Load(requests=rate, seconds=1.0, p50=0.001, p99=0.004, worst=0.01, refused=0, broken=0)


RESULTS = Results(
    outcomes={
        "Signet": Outcome([load(300), load(200), load(220)], memory=50 * 2**20, cpu=[0.06, 0.04, 0.044]),
        "Express": Outcome([load(100), load(90), load(110)], memory=40 * 2**20, cpu=[0.2, 0.18, 0.22]),
    },
    lacking={"Traefik": "its installation failed"},
)
RECORDED = Findings(
    figures=[
        Figure.of_ratio("requests, × Express", RESULTS.ratio("Signet", "Express"), least=2, aim=4),
        Figure.of_ratio("requests, × Traefik", RESULTS.ratio("Signet", "Traefik"), least=1, aim=2),
    ],
    tables=[RESULTS.table("In turns", base="Express")],
    plots=[
        RESULTS.plot("bars", "Beside <peers>", base="Express"),
        Plot("lines", "Growth", "µs", "entries", lines={"flat": [(1, 2.0), (1000, 2.1)]}, logarithmic="x"),
        Plot("empty", "Nothing", "µs"),
    ],
)


def test_a_recorded_run_is_told_whole(tmp_path: Path) -> None:
    """Medians, ratios, spreads, who is missing and why; a promise that could not be measured is not kept."""
    findings = Findings.of_json(json.loads(json.dumps(RECORDED.as_json())))
    report = Report(dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "a machine", {"wrk": "4.1.0"}, quick=False)
    report.add("contest", "Signet beside others", findings, seconds=12)
    text = report.write(tmp_path).read_text("utf-8")
    assert "Measured on 2026-01-02 at 03:04 UTC on a machine." in text
    assert "| Signet | 220 | 2.22 | 45 % | 4.0 | 200 | 50 |" in text
    assert "| Traefik | not measured: its installation failed | - | - | - | - | - |" in text
    assert re.search(r"requests, × Express +\| 2\.22 +\| at least 2 \(aim 4\): kept", text)
    assert re.search(r"requests, × Traefik +\| not measured +\| at least 1 \(aim 2\): NOT KEPT", text)
    assert "| wrk | 4.1.0 |" in text
    assert not report.kept
    for name in re.findall(r"\(plots/(\w+\.svg)\)", text):
        drawing = ET.fromstring((tmp_path / "plots" / name).read_text("utf-8"))
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert "Beside &lt;peers&gt;" in (tmp_path / "plots" / "bars.svg").read_text("utf-8")


def test_an_experiment_that_hangs_or_breaks_off_is_reported() -> None:
    """What the others found is not lost with it."""
    (late,) = run_apart("entries", quick=True, deadline=0.01).figures
    (broken,) = run_apart("no-such-experiment", quick=True, deadline=60).figures
    assert (late.measured, late.kept) == ("it was not done after 0.01 s", False)
    assert (broken.measured, broken.kept) == ("it broke off, status 2", False)


def test_the_peers_are_pinned_by_hashes_and_name_no_registry() -> None:
    """The same locks work behind any mirror."""
    packages = json.loads((PEERS / "package-lock.json").read_text("utf-8"))["packages"]
    asked = json.loads((PEERS / "package.json").read_text("utf-8"))["dependencies"]
    del packages[""]
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked
    python = (PEERS / "requirements.lock").read_text("utf-8")
    assert python.count("==") == len(re.findall(r"^\S+==.*\\\n    --hash=sha256:", python, re.MULTILINE))
    assert "http:" not in json.dumps(packages) + python
    assert "resolved" not in json.dumps(packages)
