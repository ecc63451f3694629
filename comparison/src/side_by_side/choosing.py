"""`python -m side_by_side.choosing`: write docs/choosing.md, whose every figure is one of the committed report's.

The text is in comparison/choosing.md.in, where a figure is `{{experiment | name}}` with its spread, or, alone,
`{{middle | experiment | name}}`; `{{ratio | experiment | name | name}}`; `{{verdict | row of the table}}`;
`{{fact | experiment | name}}`; `{{machine | what}}`.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from side_by_side.result import Result, shown

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
        case "middle", experiment, name:
            each = _result(report, experiment).measured[name]
            return f"{shown(each.median)} {each.unit}"
        case "ratio", experiment, above, below:
            measured = _result(report, experiment).measured
            return shown(measured[above].median / measured[below].median)
        case "verdict", row:
            return {each["property"]: str(each["verdict"]) for each in report["table"]}[row]
        case "fact", experiment, name:
            return str(_result(report, experiment).facts[name])
        case "machine", name:
            return str(report["machine"][name])
        case experiment, name:
            return _result(report, experiment).measured[name].text
    raise KeyError(" | ".join(wanted))


def _result(report: Mapping[str, Any], experiment: str) -> Result:
    return Result.from_json(experiment, report["experiments"][experiment])


if __name__ == "__main__":
    sys.exit(main())
