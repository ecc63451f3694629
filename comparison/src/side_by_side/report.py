"""The report: JSON for programs, and one HTML file for people, which loads nothing.

`python -m side_by_side.report` computes the table and the page anew from the figures of the committed report.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from side_by_side.article import Row, rows
from side_by_side.plots import lines, timelines
from side_by_side.result import Result, shown
from side_by_side.words import WAYS, label
from side_by_side.words import clients as number_of

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { border: 1px solid #ccc; padding: .35rem .6rem; text-align: left; vertical-align: top }
th { background: #f3f3f3 } td.number { text-align: right; white-space: nowrap }
.verdict { font-weight: 600 } .so { color: #2e8b57 } .not { color: #c0392b } .simple { color: #b9770e }
figure { margin: 1rem 0 } figcaption, .small { color: #555; font-size: .9rem } svg { max-width: 100%; height: auto }
"""
_QUICK = " A quick run: fewer rounds, less load and fewer ways under it, no sessions in SQLite where there is Valkey."
_CLASSES = {"as it says": "so", "not so": "not", "not that simple": "simple"}


def as_json(
    results: Mapping[str, Result],
    table: Sequence[Row],
    machine: Mapping[str, str],
    notes: Sequence[str],
    *,
    quick: bool,
) -> dict[str, Any]:
    """Return all that was found, as JSON can hold it."""
    return {
        "machine": dict(machine),
        "quick": quick,
        "notes": list(notes),
        "table": [vars(row) for row in table],
        "experiments": {name: result.as_json() for name, result in results.items()},
    }


def write(folder: Path, name: str, document: Mapping[str, Any]) -> Path:
    """Write both files and return the one for people. Raises OSError."""
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    page = folder / f"{name}.html"
    page.write_text(html(document), "utf-8")
    return page


def html(document: Mapping[str, Any]) -> str:
    """Return the page for a report's JSON."""
    machine = ", ".join(f"{escape(name)}: {escape(value)}" for name, value in document["machine"].items())
    notes = "".join(f"<li>{escape(note)}</li>" for note in document["notes"])
    experiments = document["experiments"]
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sessions and JWTs side by side</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style><body><h1>Sessions and JWTs side by side</h1>",
            _introduction(experiments["logout"]["measured"]),
            f'<p class="small">{machine}.{_QUICK if document["quick"] else ""}</p>',
            f"<ul>{notes}</ul>" if notes else "",
            _table(document["table"]),
            "<h2>Plots</h2>",
            *_plots(experiments),
            "<h2>Experiments</h2>",
            *(_experiment(name, each) for name, each in experiments.items()),
            "</body></html>\n",
        ]
    )


def _introduction(ways: Mapping[str, Any]) -> str:
    """Say what is compared, so that nothing else need be read before."""
    each = "; ".join(f"<b>{escape(WAYS[key].name)}</b>: {escape(WAYS[key].what)}" for key in ways)
    return (
        "<p>One small app, in which one registers, logs in and reads one's own profile, and several ways to say at "
        f"each request who one is. {each}. One logs in at the app for a session and at the issuer (auth) for a "
        "JWT, which the services profile and orders check. Valkey stands for any server of the Redis protocol; which "
        "one this run used is below. The table has beside each property what an article on sessions and JWTs says "
        "(not part of this repository), and what this run measured; each cell and verdict is computed from the figures "
        "further down. Figures are medians; differences inside the range from lowest to highest mean nothing.</p>"
    )


COLUMNS: Final = {
    "article_session": "the article: session",
    "session": "measured: session",
    "article_jwt": "the article: JWT",
    "plain": "measured: JWT, plain",
    "followed": "measured: JWT, followed",
    "cookie": "measured: JWT, followed, in a cookie",
}


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in ("property", *COLUMNS.values(), "is it so?"))
    body = "".join(_row(row) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Mapping[str, str]) -> str:
    cells = "".join(f"<td>{escape(row[column])}</td>" for column in COLUMNS)
    verdict = f'<span class="verdict {_CLASSES[row["verdict"]]}">{escape(row["verdict"])}</span>'
    return f"<tr><th>{escape(row['property'])}</th>{cells}<td>{verdict}<br>{escape(row['because'])}</td></tr>"


def _plots(experiments: Mapping[str, Any]) -> list[str]:
    figures = []
    cost = experiments["request cost"]
    distributions, rounds = cost["facts"]["distribution"], _rounds(cost["measured"])
    for clients in next(iter(distributions.values())):
        with_so_many = {way: each[clients] for way, each in distributions.items() if clients in each}
        series = {label(way): [(share, ms) for share, ms in each] for way, each in with_so_many.items()}
        drawing = lines(series, across="percentile of requests", up="latency, ms", logarithmic=True)
        figures.append(
            _figure(drawing, f"Latency of GET /api/profile with {number_of(clients)}: one round of {rounds}, the last.")
        )
    ends = {label(way): answers for way, answers in experiments["logout"]["facts"]["timelines"].items()}
    caption = (
        "After log-out, in one of the runs: green while the saved credential is let in by the last server, red when it "
        "is first refused."
    )
    figures.append(_figure(timelines(ends, across="seconds from log-out"), caption))
    quickly = {way: answers for way, answers in ends.items() if answers[-1][0] < 1}
    if quickly and len(quickly) < len(ends):
        drawing = timelines(quickly, across="seconds from log-out")
        figures.append(_figure(drawing, "The same, without those that wait for expiry."))
    stored = experiments["stored state"]["facts"]
    megabytes = {_STATE[way]: [(users, size / 1e6) for users, size in each] for way, each in stored["growth"].items()}
    beyond = {_STATE[way]: [(users, size / 1e6) for users, size in each] for way, each in stored["simulated"].items()}
    drawing = lines(megabytes, across="users", up="MB", simulated=beyond)
    caption = (
        "What is kept, by the number of logged-in users. Of JWTs the issuer keeps each login, servers that check them "
        "nothing, and those that follow the feed what has ended, drawn as if all users had just logged out: the most "
        "there can be. Dots are measured, dashed lines are a straight continuation: simulated."
    )
    return [*figures, _figure(drawing, caption)]


_STATE = {
    "session-memory": "sessions in memory",
    "session-sqlite": "sessions in SQLite",
    "session-valkey": "sessions in Valkey",
    "jwt: auth": "JWT: logins at the issuer",
    "jwt-ended": "JWT: ended logins, followed",
}


def _rounds(measured: Mapping[str, Any]) -> int:
    return max(len(each["values"]) for name, each in measured.items() if name.startswith("latency"))


def _figure(drawing: str, caption: str) -> str:
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def _experiment(name: str, experiment: Mapping[str, Any]) -> str:
    from_all = "".join(
        f"<tr><th>{escape(label(what))}</th>"
        + "".join(f'<td class="number">{shown(each[part])}</td>' for part in ("median", "low", "high"))
        + f'<td>{escape(each["unit"])}</td><td class="number">{len(each["values"])}</td></tr>'
        for what, each in experiment["measured"].items()
    )
    return (
        f"<h3>{escape(name)}</h3><p>{escape(experiment['claim'])}</p>"
        f"<p class='small'>{escape(experiment['procedure'])}</p>"
        "<table><thead><tr><th></th><th>median</th><th>lowest</th><th>highest</th><th>unit</th><th>values</th></tr></thead>"
        f"<tbody>{from_all}</tbody></table>"
    )


def main() -> None:
    """Write table and page anew in the current checkout: what was measured stays as it is."""
    folder = Path("comparison")
    document = json.loads((folder / "report.json").read_text("utf-8"))
    results = {name: Result.from_json(name, each) for name, each in document["experiments"].items()}
    write(folder, "report", document | {"table": [vars(row) for row in rows(results)]})


if __name__ == "__main__":
    main()
