"""A token as a person reads it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from signet.inspector import meanings
from signet.inspector.page import Page
from signet.inspector.token_report import Outcome, TokenReport, Told
from signet.inspector.words import date_and_time, value_in_words, visible, when

_TIMES: Final[Mapping[str, tuple[str, str]]] = {
    "iat": ("issued", "will be issued"),
    "nbf": ("good since", "good only"),
    "exp": ("expired", "expires"),
    "auth_time": ("logged in", "will log in"),
}
_OUTCOMES: Final[Mapping[Outcome, tuple[str, str]]] = {
    "passed": ("✓ yes", "green"),
    "failed": ("✗ no", "bold red"),
    "would_fail_too": ("✗ also no", "red"),
    "not_reached": ("- untold", "dim"),
    "not_checked": ("? unchecked", "yellow"),
}


def show_token(console: Console, report: TokenReport) -> None:
    """Print the report: what the token says, what a service would say to it step by step, and the verdict."""
    page = Page(console)
    page.title(("Token  ", "bold"), _sizes(report))
    if report.header is not None:
        page.heading("Header", "how it is signed, as it says")
        page.facts(
            [(visible(name, 32), value_in_words(v), meanings.of_header(name, v)) for name, v in report.header.items()],
        )
    if report.claims is not None:
        page.heading("Claims", "decoded, which is not trusting: anyone could have written them")
        page.facts(_claims(report.claims, report.now))
    if report.missing:
        page.line(Text(f"{', '.join(report.missing)}."), left=2, after=Text("Missing, and required: "))
    page.heading("What a Signet resource server would say, check by check")
    page.facts(_ground(report))
    page.line(Text())
    for told in report.steps:
        _show_step(page, told)
    page.line(Text())
    for line in _verdict(report):
        page.line(line)


def _sizes(report: TokenReport) -> str:
    total = f"{len(report.token)} characters"
    if report.bytes is None:
        return total
    header, payload, signature = report.bytes
    return f"{total}: {header} bytes of header, {payload} of payload, {signature} of signature"


def _claims(claims: Mapping[str, Any], now: float) -> Iterator[tuple[str, str, str]]:
    for name, value in claims.items():
        yield visible(name, 32), _claim_value(name, value, now), meanings.of_claim(name)


def _claim_value(name: str, value: object, now: float) -> str:
    if name in _TIMES and (date := date_and_time(value)) is not None and isinstance(value, int | float):
        past, future = _TIMES[name]
        return f"{past if value <= now else future} {when(value, now)}, {date}"
    if name == "act" and isinstance(value, dict):
        chain: list[str] = []
        actor: object = value
        while isinstance(actor, dict) and len(chain) < 10:
            chain.append(value_in_words(actor.get("sub")))
            actor = actor.get("act")
        return visible(", for ".join(chain))
    return value_in_words(value)


def _ground(report: TokenReport) -> Iterator[tuple[str, str, str]]:
    yield "issuer", visible(report.issuer), "assumed: the token's own; name yours by --issuer" * report.issuer_assumed
    several = "the token's own, each alike" if len(report.audiences) > 1 else "the token's own"
    yield (
        "audience",
        visible(", ".join(report.audiences)),
        f"assumed: {several}; name yours by --audience" * report.audience_assumed,
    )
    keys = report.keys
    if keys.jwks_uri is None:
        yield "keys", "none", "name them by --jwks"
    elif keys.usable is None:
        yield "keys", visible(keys.jwks_uri), "not to be had"
    else:
        yield "keys", visible(keys.jwks_uri), f"{len(keys.usable)} usable"
    if report.revocations_uri is None or report.feed is None:
        yield "revocations", "not asked", "name the issuer's feed by --revocations"
    elif report.feed.complete:
        yield "revocations", visible(report.revocations_uri), f"{report.feed.remembered} as of {report.feed.seq}"
    else:
        yield "revocations", visible(report.revocations_uri), "not to be had"


def _show_step(page: Page, told: Told) -> None:
    word, style = _OUTCOMES[told.outcome]
    step, refusal = told.finding.step, told.finding.refusal
    page.line(Text(step.claim), left=2, after=Text.assemble((f"{word:<11}", style), f"  {step.number:>2}  "))
    for sentence in (refusal and visible(refusal.detail), told.note):
        if sentence:
            page.line(Text(sentence, style), left=19)


def _verdict(report: TokenReport) -> Iterator[Text]:
    refusal = report.refusal
    assumed = [
        name
        for name, is_assumed in (("issuer", report.issuer_assumed), ("audience", report.audience_assumed))
        if is_assumed
    ]
    if refusal is None:
        whom = visible(" or ".join(report.audiences))
        lets_in = f"{whom} would let it in; each endpoint then asks for its own scope."
        if report.proviso is None:
            yield Text.assemble(("Accepted. ", "bold green"), lets_in)
        else:
            yield Text.assemble(("Accepted, as far as was checked: ", "bold yellow"), f"{report.proviso}.")
            yield Text(f"If it has not, {lets_in}")
        if assumed:
            yield Text(f"This assumes that the service trusts this {' and is this '.join(assumed)}.", "dim")
    elif report.verdict == "refused":
        yield Text.assemble(
            ("Refused: ", "bold red"), (refusal.reason, "bold"), f" ({refusal.status}). ", visible(refusal.detail)
        )
        if not all(step.of_revocations for step in report.unchecked):
            yield Text("Its signature was not checked. Were that bad, this would be the reason instead.", "dim")
        yield Text(f"WWW-Authenticate: {visible(refusal.challenge or '')}", "dim")
    elif report.keys.jwks_uri is None:
        yield Text.assemble(
            ("Cannot tell: ", "bold yellow"),
            "all else that was checked is in order, but without keys the signature is unchecked.",
        )
        yield Text("Name the keys by --jwks and the URL of the key set, or of an issuer that you trust.", "dim")
    else:
        yield Text.assemble(("Cannot tell: ", "bold yellow"), visible(refusal.detail))
        lacks = "no keys" if refusal.reason == "keys_unavailable" else "never read the feed"
        yield Text(f"A service that has {lacks} either answers 503 {refusal.reason}; one that has, decides.", "dim")
