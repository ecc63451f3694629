"""`signet token` at the terminal: explained, within bounds, and obeyed by nobody."""

import re
import time
from typing import TYPE_CHECKING

import pytest

from signet.inspector.words import duration, visible, when
from token_verification.testing import FakeIssuer, json_bytes
from token_verification.verifier import STEPS

if TYPE_CHECKING:
    from cli.tests.inspector.conftest import Inspect

AUDIENCE = "urn:test:api"
ESCAPES = "\x1b]0;owned\x07 \x1b[2J \x9b31m \x7f \r\n \u202egnp.exe \u2028 \u200b [bold red]markup[/] :smile: \\x1b"


def test_every_claim_is_explained_with_times_in_words(
    issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """Header and claims are shown with their meaning; times as one says them; who acts, and for whom."""
    now = int(time.time())
    token = issuer.token(
        iat=now - 125,
        exp=now + 200,
        auth_time=now - 7300,
        nbf=now - 125,
        act={"sub": "orders", "act": {"sub": "gateway"}},
        email="ada@example.org",
        odd=[1, {"a": None}],
        scope="orders:read profile:read",
    )
    page = inspect("token", *trust, stdin=token.encode(), columns=120)
    assert page.status == 0
    for pattern in (
        r"alg +RS256 +RSA PKCS#1 v1.5 with SHA-256",
        r"typ +at\+jwt +an access token \(RFC 9068\)",
        r"iat +issued 2 min \d+ s ago, \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +issued at",
        r"exp +expires in 3 min",
        r"nbf +good since 2 min",
        r"auth_time +logged in 2 h 1 min ago",
        r"scope +orders:read profile:read +what it allows",
        r"act +orders, for gateway +who acts for the subject",
        r"email +ada@example.org +personal data",
        r'odd +\[1, \{"a": null\}\] +not known here, and ignored',
    ):
        assert re.search(pattern, page.out), (pattern, page.out)
    assert "decoded, which is not trusting" in page.out
    assert re.search(r"Token  \d+ characters: \d+ bytes of header, \d+ of payload, 256 of signature", page.out)


def test_nothing_that_is_printed_is_a_credential(
    issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """Neither the page nor the document holds the signature, so neither can be used as a token."""
    token = issuer.token()
    signature = token.rsplit(".", 1)[1]
    for option in ((), ("--json",)):
        said = inspect("token", *trust, *option, stdin=token.encode(), columns=1000).out
        assert not any(signature[place : place + 12] in said for place in range(0, len(signature) - 12, 4))


@pytest.mark.parametrize("how", [{"columns": 80}, {"columns": 120, "colours": True}], ids=["plain", "coloured"])
def test_a_token_cannot_talk_to_the_terminal(
    how: dict[str, int], issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """Controls, escapes, reversed writing, markup: in names, values, header, key id, shown and never obeyed."""
    header: dict[str, object] = {"kid": ESCAPES, ESCAPES: ESCAPES, "typ": ESCAPES}
    claims: dict[str, object] = {
        **dict.fromkeys(("iss", "sub", "scope"), ESCAPES),
        "aud": [ESCAPES, AUDIENCE],
        "act": {"sub": ESCAPES},
        ESCAPES: {ESCAPES: [ESCAPES]},
    }
    hostile = issuer.sign(json_bytes(issuer.header(**header)), json_bytes(issuer.claims() | claims))
    for options in ((), trust, ("--json",)):
        ended = inspect("token", *options, stdin=hostile.encode(), **how)
        printed = re.sub(r"\x1b\[[0-9;]*m", "", ended.out) if "colours" in how else ended.out
        assert [char for char in printed if not char.isprintable() and char != "\n"] == []
        joined = "".join(printed.split())
        assert "[boldred]markup[/]:smile:" in joined
        assert "\\x1b]0;owned\\x07" in joined or "\\u001b]0;owned\\u0007" in joined
        # What only looks like an escape is told from what is one.
        assert "\\\\x1b" in joined


def test_values_without_bounds_are_shown_within_bounds(
    issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """Long, deep and infinite values end neither the page nor the document."""
    payload = json_bytes(issuer.claims(long="x" * 5000, deep="@", endless="#"))
    payload = payload.replace(b'"@"', b"[" * 300 + b"]" * 300).replace(b'"#"', b"1e999")
    token = issuer.sign(json_bytes(issuer.header()), payload).encode()
    page = inspect("token", *trust, stdin=token)
    assert "(5000 characters)" in page.out
    assert "x" * 400 not in "".join(page.out.split())
    assert "(nested too deeply to show)" in page.out
    document = inspect("token", "--json", *trust, stdin=token).document
    assert document["claims"]["deep"] == "(nested too deeply to show)"
    assert document["claims"]["endless"] == "Infinity"
    huge = inspect("token", "--json", stdin=b"A" * 100_000 + b".e30.AAAA").document
    assert (huge["reason"], huge["characters"]) == ("malformed", 100_009)


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_end_where_the_terminal_does(
    columns: int, issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """No line is wider than the terminal, and every step's sentence stands on one line."""
    ended = inspect("token", *trust, stdin=issuer.token(expires_in=-60, iat=0).encode(), columns=columns)
    assert max(map(len, ended.out.splitlines())) <= columns
    assert all(step.claim in ended.out for step in STEPS)


def test_what_looks_like_an_escape_is_told_from_one() -> None:
    """A backslash is doubled, so that nobody can pretend that something was made visible."""
    assert visible("\x1b[2J") == "\\x1b[2J"
    assert visible("\\x1b[2J") == "\\\\x1b[2J"
    assert visible("Ådå 🔑 日本") == "Ådå 🔑 日本"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (1, "1 s"), (59, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (725, "12 min"), (3600, "1 h"),
     (3900, "1 h 5 min"), (90_000, "1 d 1 h"), (40 * 86_400, "40 d")],
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds: int, words: str) -> None:
    """Two units at most, and fewer where the smaller one says nothing."""
    assert duration(seconds) == words
    assert when(1000.0 + seconds, 1000.0) == (f"in {words}" if seconds > 0 else "now")
    assert when(1000.0 - seconds, 1000.0) == (f"{words} ago" if seconds > 0 else "now")
