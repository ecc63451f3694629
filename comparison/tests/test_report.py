"""The report and the document that rests on it: every figure is a measured one."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from side_by_side import report
from side_by_side.article import Row, rows
from side_by_side.choosing import filled
from side_by_side.experiments import EXPERIMENTS
from side_by_side.experiments.request_cost import LEVEL, NEW
from side_by_side.playground_table import TABLE, of_report
from side_by_side.result import Measured, Result, shown
from side_by_side.words import WAYS, label, multiple, share

ROOT = Path(__file__).resolve().parent.parent.parent
COMMITTED = ROOT / "comparison" / "report.json"


@pytest.fixture
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(COMMITTED.read_text("utf-8"))
    return found


@pytest.fixture
def results(document: dict[str, Any]) -> dict[str, Result]:
    return {name: Result.from_json(name, each) for name, each in document["experiments"].items()}


class Page(HTMLParser):
    """Notes what a page would load, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def row(table: list[Row], name: str) -> Row:
    return next(each for each in table if each.property == name)


def priced(results: dict[str, Result], look_up: float, new: float, again: float) -> Row:
    """Return the row on cost, had whole requests taken these milliseconds with 8 clients."""
    cost = results["request cost"]
    latencies = {"session-valkey": look_up, f"jwt-followed{NEW}": new, "jwt-followed": again}
    measured = {f"latency: {key}, {LEVEL}": Measured("ms", (value,)) for key, value in latencies.items()}
    checks = results["check cost"]
    cheap = {**checks.measured, "jwt, first use": Measured("µs", (1.0,))}
    return row(
        rows(
            {
                **results,
                cost.name: replace(cost, measured={**cost.measured, **measured}),
                checks.name: replace(checks, measured=cheap),
            }
        ),
        "cost of a request",
    )


def moved(results: dict[str, Result], experiment: str, name: str, value: float) -> list[Row]:
    """Return the table as it would be had something else been measured."""
    old = results[experiment]
    measured = {**old.measured, name: Measured(old.measured[name].unit, (value,))}
    new = Result(old.name, old.claim, old.procedure, measured, old.facts)
    return rows({**results, experiment: new})


def test_the_committed_report_is_of_a_whole_run(document: dict[str, Any]) -> None:
    """It is a full run's, with Valkey, and every experiment is in it."""
    assert document["quick"] is False
    assert set(document["experiments"]) == set(EXPERIMENTS)
    assert "session-valkey" in document["experiments"]["logout"]["measured"]


def test_no_cell_is_written_by_hand(document: dict[str, Any], results: dict[str, Result]) -> None:
    """The committed table is what its own measurements give, and the page is what its JSON gives."""
    assert [vars(each) for each in rows(results)] == document["table"]
    assert report.html(document) == (ROOT / "comparison" / "report.html").read_text("utf-8")


def test_the_page_opens_by_itself(document: dict[str, Any]) -> None:
    """It loads nothing, shows each row of the table and each experiment, and has its plots inside."""
    page = Page()
    page.feed(report.html(document))
    assert page.loads == []
    assert "script" not in page.tags
    assert page.tags.count("svg") >= 4
    assert page.tags.count("polyline") >= 10
    words = " ".join(page.words)
    for each in document["table"]:
        assert each["session"] in words
        assert each["followed"] in words
    assert "simulated" in words
    assert [name for name in EXPERIMENTS if name not in page.words] == []


def test_verdicts_follow_what_was_measured(results: dict[str, Result]) -> None:
    """Had the measurement been another one, the table would say something else."""
    table = rows(results)
    assert row(table, "logout").verdict == "not so"
    assert row(moved(results, "logout", "jwt-followed", 305_000.0), "logout").verdict == "as it says"
    assert row(moved(results, "replay after logout", "jwt-followed", 100.0), "revocation").verdict == "as it says"
    assert row(moved(results, "second server", "jwt-plain", 0.0), "scalability").verdict == "not so"
    assert row(moved(results, "forgery", "rs256", 100.0), "several servers").verdict == "as it says"
    slow = moved(results, "check cost", "session-valkey", 20_000.0)
    assert row(slow, "cost of a request").session.startswith("20,000 µs")
    assert row(moved(results, "bytes on the wire", "request: jwt-plain", 50.0), "size on the wire").verdict == "not so"


def test_the_verdict_on_cost_follows_whole_requests(results: dict[str, Result]) -> None:
    """A JWT is cheaper where it is so at the first check as well, and by more than chance."""
    cheaper = priced(results, look_up=5.0, new=3.0, again=2.0)
    assert (cheaper.verdict, cheaper.followed.split(",")[0]) == (
        "as it says",
        "whole request 3 ms with a new token each",
    )
    dearer = priced(results, look_up=5.0, new=8.0, again=2.0)
    assert dearer.verdict == "not that simple"
    assert "a first check makes more time than with a look-up" in dearer.because
    assert "no difference beyond the spread" in priced(results, look_up=5.0, new=5.2, again=2.0).because


def test_figures_in_words() -> None:
    """Shares and ratios are said as people say them, and values by the way they are of."""
    assert [share(each) for each in (0, 100, 66.7)] == ["none", "all", "67 %"]
    said = [multiple(each) for each in (11.95, 2.345, 1.02, 0.618, 0.5, 0.025)]
    assert said == ["12 times", "2.3 times", "about", "about three fifths", "about half", "about 1/40"]
    assert label("latency: session-valkey, 1") == "latency: session in Valkey, 1 client"
    assert label("processor: session-valkey, 8: store").endswith("session in Valkey, 8 clients, the part of the store")
    assert label("p99: jwt-plain, new tokens, 32") == "p99: plain JWT, new tokens, 32 clients"
    assert [shown(each) for each in (1231.0, 86.54, 5.235, 0.0616, 99.7)] == ["1,231", "87", "5.2", "0.062", "100"]


def test_the_page_says_what_the_ways_are(document: dict[str, Any]) -> None:
    """Nothing else need be read before: each way is explained, no key of a program is left, and no `100.000 %`."""
    page = Page()
    page.feed(report.html(document))
    words = " ".join(page.words)
    assert [way.what for way in WAYS.values() if way.what not in words] == []
    assert not re.search(r"session-(memory|sqlite|valkey)|jwt-(plain|followed|ended)|\d\.000\b|\b1 clients", words)


def test_the_readme_lists_every_experiment() -> None:
    """And none that there is not."""
    table = re.findall(r"^\| ([a-z -]+) \|", (ROOT / "comparison" / "README.md").read_text("utf-8"), re.MULTILINE)
    assert table == ["experiment", *EXPERIMENTS]


def test_choosing_has_the_reports_figures(document: dict[str, Any]) -> None:
    """docs/choosing.md is its text with this report's figures: another report needs `make compare`, which writes it."""
    text = (ROOT / "comparison" / "choosing.md.in").read_text("utf-8")
    assert filled(text, document) == (ROOT / "docs" / "choosing.md").read_text("utf-8")
    with pytest.raises(KeyError, match="nothing"):
        filled("{{logout | nothing}}", document)


def test_the_page_at_the_door_has_the_reports_table(document: dict[str, Any]) -> None:
    """The playground's cells are this report's: `python -m side_by_side.playground_table` writes them."""
    assert of_report(document) == (ROOT / TABLE).read_text("utf-8")
