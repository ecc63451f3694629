"""Header lines, read strictly, from whichever side they come. [RFC 9112 section 5]"""

import re
from functools import lru_cache

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
FIELD_LINE = TOKEN + rb"++:[\t\x20-\x7e\x80-\xff]*+\r\n"
"""A header or trailer line: no blank before the colon, no folding, no control character."""

_LINES = re.compile(rb"(?:" + FIELD_LINE + rb")*+\r\n")
_FIELDS = re.compile(rb"([^:\r\n]++):([^\r]*+)\r\n")


def header_fields(head: bytes, start: int) -> list[tuple[bytes, bytes]] | None:
    """Return the fields of a head from `start` to its end: names in lower case, values without blanks around them.

    None if not all of it is header lines, with the empty one behind them. It takes as long as the head is long,
    whatever is in it.
    """
    if not _LINES.fullmatch(head, start):
        return None
    return [(name.lower(), value.strip(b" \t")) for name, value in _FIELDS.findall(head, start)]


def connection_options(value: bytes) -> frozenset[bytes]:
    """Return the lower-case names that a `Connection` header lists. [RFC 9110 section 7.6.1]"""
    # What everybody sends is short, and is remembered; what somebody made up may be 16 KiB of names, and is not.
    return remembered_options(value) if len(value) <= 64 else remembered_options.__wrapped__(value)


@lru_cache(256)
def remembered_options(value: bytes) -> frozenset[bytes]:
    """Do that, and keep the last 256 for whoever sends the same."""
    return frozenset(option.strip().lower() for option in value.split(b","))
