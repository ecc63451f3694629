"""The report and the document that rests on it: every figure is a measured one."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from side_by_side import report
from side_by_side.article import Row, rows
from side_by_side.choosing import filled
from side_by_side.experiments import EXPERIMENTS
from side_by_side.result import Measured, Result

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
