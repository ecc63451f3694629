"""`python -m side_by_side.choosing`: write docs/choosing.md, whose every figure is one of the committed report's.

The text is in comparison/choosing.md.in, where a figure is `{{experiment | name}}` with its spread, or, alone,
`{{middle | experiment | name}}`; in words `{{share | experiment | name}}`, or `{{shares | experiment | name | name}}`;
`{{ratio | experiment | name | name}}`, before "as long"; `{{verdict | row of the table}}`, `{{because | row}}`;
`{{claim | experiment}}`; `{{fact | experiment | name}}`; `{{machine | what}}`; `{{notes}}` of the run; the table
`{{whole requests}}`.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from side_by_side.experiments import request_cost
from side_by_side.experiments.request_cost import LEVEL
from side_by_side.result import Measured, Result, shown
from side_by_side.words import WAYS, clients, label, multiple, share

REPORT: Final = Path("comparison") / "report.json"
TEXT: Final = Path("comparison") / "choosing.md.in"
DOCUMENT: Final = Path("docs") / "choosing.md"


def main() -> int:
    """Write the document in the current checkout; exit status 1 with a sentence when a figure is not in the report."""
    report = json.loads(REPORT.read_text("utf-8"))
    try:
        DOCUMENT.write_text(filled(TEXT.read_text("utf-8"), report), "utf-8")
    except KeyError as missing:
        sys.stderr.write(f"{TEXT}: {REPORT} has no {missing}\n")
        return 1
    sys.stdout.write(f"{DOCUMENT} has the figures of {REPORT}.\n")
    return 0


def filled(text: str, report: Mapping[str, Any]) -> str:
    """Return a text with the report's figures in their places. KeyError names what the report does not have."""
    return re.sub(r"\{\{(.+?)\}\}", lambda place: _figure([part.strip() for part in place[1].split("|")], report), text)


def _figure(wanted: list[str], report: Mapping[str, Any]) -> str:
    match wanted:
        case ("verdict" | "because") as part, row:
            return {each["property"]: str(each[part]) for each in report["table"]}[row]
        case "machine", name:
            return str(report["machine"][name])
        case ("notes",):
            return " ".join(report["notes"])
        case ("whole requests",):
            return _whole_requests(_result(report, request_cost.NAME).measured)
        case ("middle" | "share" | "shares" | "ratio" | "fact" | "claim") as how, experiment, *names:
            return _of_result(how, _result(report, experiment), names)
        case experiment, name:
            return _result(report, experiment).measured[name].text
    raise KeyError(" | ".join(wanted))


def _of_result(how: str, result: Result, names: list[str]) -> str:
    if how == "claim":
        return result.claim
    if how == "fact":
        return str(result.facts[names[0]])
    medians = [result.measured[name].median for name in names]
    if how == "middle":
        return f"{shown(medians[0])} {result.measured[names[0]].unit}"
    if how == "ratio":
        return multiple(medians[0] / medians[1])
    said = [share(each) for each in medians]
    return f"{said[0]}, in either case" if len(said) > 1 and len(set(said)) == 1 else ", and ".join(said)


def _whole_requests(measured: Mapping[str, Measured]) -> str:
    """Return the rows of all ways that were measured, with each number of clients that they had, as a table."""
    places = [name.removeprefix("latency: ").rpartition(", ") for name in measured if name.startswith("latency: ")]
    ways, levels = dict.fromkeys(way for way, _, _ in places), dict.fromkeys(level for _, _, level in places)
    heads = ["way", *(f"latency, {clients(level)}" for level in levels), f"processor time, {clients(LEVEL)}"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for way in sorted(ways, key=lambda way: list(WAYS).index(way.partition(", ")[0])):
        latencies = [measured.get(f"latency: {way}, {level}") for level in levels]
        cells = [latency.text if latency else "-" for latency in latencies]
        processor = measured[f"processor: {way}, {LEVEL}"].text
        for part in ("store", "service"):
            if other := measured.get(f"processor: {way}, {LEVEL}: {part}"):
                processor += f", and the {part}'s {other.text}"
        lines.append(f"| {' | '.join([label(way), *cells, processor])} |")
    return "\n".join(lines)


def _result(report: Mapping[str, Any], experiment: str) -> Result:
    return Result.from_json(experiment, report["experiments"][experiment])


if __name__ == "__main__":
    sys.exit(main())
