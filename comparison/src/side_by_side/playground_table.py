"""`python -m side_by_side.playground_table`: give the page at the door the table of the committed report.

Every cell is the report's. What stands beside each row, the article's words and the verdict, is too.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from side_by_side.choosing import REPORT
from side_by_side.report import COLUMNS

TABLE: Final = Path("playground") / "src" / "playground" / "comparison.json"

_MEASURED: Final = "measured: "


def main() -> int:
    """Write the table in the current checkout."""
    TABLE.write_text(of_report(json.loads(REPORT.read_text("utf-8"))), "utf-8")
    sys.stdout.write(f"{TABLE} has the table of {REPORT}.\n")
    return 0


def of_report(report: Mapping[str, Any]) -> str:
    """Return the file's text: `measured` (when, and on what), `columns` (`name`, `title`), `rows` (by those names)."""
    machine = report["machine"]
    columns = [
        {"name": name, "title": title.removeprefix(_MEASURED)}
        for name, title in COLUMNS.items()
        if title.startswith(_MEASURED)
    ]
    measured = f"{machine['when']} on {machine['cores']} cores of {machine['processor']}, {machine['Python']}"
    table = {"measured": measured, "columns": columns, "rows": report["table"]}
    return json.dumps(table, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
