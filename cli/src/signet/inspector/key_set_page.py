"""A key set as a person reads it."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from signet.inspector.key_set_report import KeySetReport
from signet.inspector.page import Page
from signet.inspector.published_key import PublishedKey
from signet.inspector.serving import entity_tag_honoured, last_modified, max_age
from signet.inspector.words import date_and_time, duration, visible, when
from token_verification.key_set_download import Answer

MOST_KEYS = 50
"""Keys that a page describes: an issuer has a handful, and 64 KiB have room for thousands that are none."""
MOST_FAULTS = 100
"""Faults that a page tells, errors first."""


def show_key_set(console: Console, report: KeySetReport) -> None:
    """Print the report: the keys, how they are served, and what is wrong."""
    page = Page(console)
    page.title(("JWK Set  ", "bold"), visible(report.asked.url))
    if report.asked.metadata is not None:
        issuer = f" of {visible(report.asked.issuer)}" if report.asked.issuer else ""
        page.line(Text(f"named as jwks_uri by {visible(report.asked.metadata)}, the metadata{issuer}", "dim"), left=2)
    _show_keys(page, report)
    page.heading("How it is served")
    page.facts(_serving(report))
    _show_faults(page, report)


def _show_keys(page: Page, report: KeySetReport) -> None:
    if not report.keys:
        page.heading("No keys", "nothing that was answered could be read as a set of keys")
        return
    page.heading("1 key" if len(report.keys) == 1 else f"{len(report.keys)} keys")
    now = report.asked.at
    ages = any(key.born is not None for key in report.keys)
    headings = ("#", "kid", "thumb-\nprint", "key", "use", "alg", *(["age"] if ages else []), "used")
    page.table(headings, (_row(key, now, with_age=ages) for key in report.keys[:MOST_KEYS]))
    page.line(
        Text(
            "thumbprint: whether the kid is that of RFC 7638. used: whether a Signet service would verify with it."
            + " age: as far as the set says it." * ages,
            "dim",
        ),
        left=2,
    )
    for key in report.keys[:MOST_KEYS]:
        if key.refusal is not None:
            page.line(Text(f"it {key.refusal}."), left=2, after=Text(f"Key {key.number} is not used: "))
    _show_rest(page, len(report.keys) - MOST_KEYS, "keys")


def _row(key: PublishedKey, now: float, *, with_age: bool) -> tuple[Text, ...]:
    match = {True: Text("matches", "green"), False: Text("differs"), None: Text("none")}[key.matches]
    return (
        Text(str(key.number)),
        Text(visible(key.kid, 256) if key.kid else "none"),
        match,
        Text(key.kind),
        Text(key.text("use") or "none"),
        Text(key.text("alg") or "none"),
        *([Text("unknown" if key.born is None else duration(now - key.born))] if with_age else []),
        Text("yes", "green") if key.refusal is None else Text("no", "yellow"),
    )


def _serving(report: KeySetReport) -> Iterator[tuple[str, str, str]]:
    asked, answer = report.asked, report.asked.answer
    headers = answer.headers
    yield "answer", f"{answer.status}, {len(answer.body)} bytes", ""
    yield "Content-Type", visible(headers.get("content-type", "")) or "none", ""
    stated = max_age(answer)
    yield (
        "Cache-Control",
        visible(headers.get("cache-control", "")) or "none",
        "" if stated is None else f"good for {duration(stated)}",
    )
    yield "ETag", visible(headers.get("etag", ""), 80) or "none", _entity_tag_remark(report)
    changed = last_modified(answer)
    yield (
        "Last-Modified",
        visible(headers.get("last-modified", "")) or "unknown",
        "" if changed is None else when(changed, asked.at),
    )
    kept = headers.get("age", "")
    yield (
        "Age",
        visible(kept) or "unknown",
        f"a cache had kept it for {duration(int(kept))}" if kept.isdecimal() and len(kept) < 10 else "",
    )
    yield "fetched", date_and_time(asked.at) or "", ""


def _entity_tag_remark(report: KeySetReport) -> str:
    again = report.asked.again
    if isinstance(again, Answer):
        return f"{'honoured' if entity_tag_honoured(report.asked) else 'not honoured'}: asked again, {again.status}"
    return "asked again, no answer" if again else ""


def _show_faults(page: Page, report: KeySetReport) -> None:
    if not report.faults:
        page.heading("No faults found")
        return
    page.heading("1 fault" if len(report.faults) == 1 else f"{len(report.faults)} faults")
    for fault in report.faults[:MOST_FAULTS]:
        style = "bold red" if fault.severity == "error" else "yellow"
        sentence = Text.assemble(fault.sentence, (f"  {fault.code}", "dim"))
        page.line(sentence, left=2, after=Text(f"{fault.severity:<7}  ", style))
    _show_rest(page, len(report.faults) - MOST_FAULTS, "faults")


def _show_rest(page: Page, number: int, what: str) -> None:
    if number > 0:
        page.line(Text(f"And {number} more {what}: --json tells of each.", "dim"), left=2)
