"""What the playground explains is what there is: its texts are read here and held against the code and the protocol."""

import re
from pathlib import Path

from token_verification.claims import REQUIRED

ROOT = Path(__file__).parent.parent
PLAYGROUND = ROOT / "playground" / "src" / "playground"

OF_THE_PAGE = {"no_answer"}
"""What the page itself calls that no answer came."""


def explained(file: str, table: str) -> set[str]:
    """Return the names that a table of a module explains."""
    text = (PLAYGROUND / file).read_text("utf-8").split(f"const {table} = {{")[1].split("\n};")[0]
    return set(re.findall(r"^  (\w+):", text, re.MULTILINE))


def test_every_reason_that_the_page_explains_exists() -> None:
    """Each is in the protocol's table of errors."""
    errors = (ROOT / "docs" / "protocol.md").read_text("utf-8").split("\n## Errors\n")[1].split("\n## ")[0]
    assert explained("problem.js", "MEANINGS") - OF_THE_PAGE <= set(re.findall(r"`(\w+)`", errors))


def test_every_member_of_a_token_is_explained() -> None:
    """The claims that every token has, the two that it may have, and its header's three."""
    assert explained("claims.js", "PAYLOAD") == {*REQUIRED, "name", "act"}
    assert explained("claims.js", "HEADER") == {"alg", "typ", "kid"}
