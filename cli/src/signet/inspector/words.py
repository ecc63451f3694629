"""Values of unknown origin, and times, in words that a terminal can be trusted with."""

import json
from datetime import UTC, datetime

LONGEST = 300
"""Characters of a value that are shown."""

TOO_DEEP = "(nested too deeply to show)"

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_NOW = 1.0
_DEEPEST = 64
_END_OF_TIME = 253_402_300_799


def visible(text: str, limit: int = LONGEST) -> str:
    """Return text so that every character of it can be seen, and none of it is a command to the terminal.

    Controls, escapes, what turns the writing direction, invisible and unassigned characters are written as Python
    writes them; a backslash is doubled, so that this cannot be imitated. What is cut off is counted.
    """
    cut = "".join(_shown(char) for char in text[:limit])
    return cut if len(text) <= limit else f"{cut}… ({len(text)} characters)"


def _shown(char: str) -> str:
    if char == "\\":
        return "\\\\"
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def value_in_words(value: object) -> str:
    """Return a JSON value for showing: a string as it is, a list of strings with commas, anything else as JSON."""
    if isinstance(value, str):
        return visible(value) or "(empty)"
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return visible(", ".join(value))
    return TOO_DEEP if _is_deep(value) else visible(json.dumps(value, ensure_ascii=False))


def value_as_json(value: object) -> object:
    """Return a JSON value so that it can be written into a document: not too deep, and no infinite number in it."""
    if _is_deep(value):
        return TOO_DEEP
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return value_in_words(value)
    return value


def _is_deep(value: object) -> bool:
    """Tell whether writing the value could take more nesting than an interpreter has; this takes none."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        ]
        if not level:
            return False
    return True


def duration(seconds: float) -> str:
    """Return how long something takes, in its two largest units at most: "2 min", "1 h 5 min", "3 d"."""
    whole = round(abs(seconds))
    for place, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            count, rest = divmod(whole, size)
            words = f"{count} {unit}"
            # Minutes are enough for minutes, and days for many days: nobody reads "40 d 2 h".
            if place + 1 < len(_UNITS) and count < 10:
                smaller, name = _UNITS[place + 1]
                words += f" {rest // smaller} {name}" if rest // smaller else ""
            return words
    return "0 s"


def when(moment: float, now: float) -> str:
    """Return a moment as people say it, seen from now: "2 min ago", "in 3 min", "now"."""
    apart = moment - now
    if abs(apart) < _NOW:
        return "now"
    return f"in {duration(apart)}" if apart > 0 else f"{duration(apart)} ago"


def date_and_time(seconds: object) -> str | None:
    """Return a NumericDate (RFC 7519, section 2) as date and time in UTC; None if it is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _END_OF_TIME:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def json_document(members: dict[str, object]) -> str:
    """Return a document for programs: indented, and in ASCII, whatever a stranger's values are."""
    return json.dumps(members, indent=2, ensure_ascii=True)
