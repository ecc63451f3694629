"""JSON for people: secrets masked, long values cut, laid out to a width."""

import json
from typing import Any

MASK = "••••••••"
_SECRETS = frozenset({"password", "refresh_token"})
LONGEST = 60
"""Characters of a value without spaces before it is cut; a key id has 43."""
MOST_ITEMS = 2
"""Items of a list that are shown; a person asks for no more to see its shape."""


def abbreviated(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value for showing: what is secret masked, tokens and key material cut, long lists short."""
    match value:
        case dict():
            return {key: MASK if key in _SECRETS else abbreviated(item) for key, item in value.items()}
        case [dict(), _, _, *_]:
            return [*map(abbreviated, value[:MOST_ITEMS]), f"… and {len(value) - MOST_ITEMS} more"]
        case list():
            return [abbreviated(item) for item in value]
        case str() if value.count(".") == 2 and len(value) > 3 * LONGEST:
            return abbreviated_token(value)
        case str() if len(value) > LONGEST and " " not in value and "/" not in value:
            return f"{value[:16]}… ({len(value)} characters)"
    return value


def abbreviated_token(token: str) -> str:
    """Return the beginning of each part of a token: enough to see that two differ, too little to use."""
    return ".".join(f"{part[:8]}…" if len(part) > 8 else part for part in token.split("."))


def laid_out(value: Any, *, width: int, indent: int = 0, taken: int | None = None) -> str:  # noqa: ANN401 - JSON
    """Return JSON on one line where it fits into `width` columns, and broken into its members where it does not.

    `indent`: the column that its further lines begin from. `taken`: the columns its first line has used already.
    """
    line = json.dumps(value, ensure_ascii=False)
    fits = (indent if taken is None else taken) + len(line) + 1 <= width
    if fits or not isinstance(value, dict | list) or not value:
        return line
    if isinstance(value, dict):
        members = [(f"{json.dumps(name, ensure_ascii=False)}: ", item) for name, item in value.items()]
    else:
        members = [("", item) for item in value]
    inner = indent + 2
    lines = [
        " " * inner + name + laid_out(item, width=width, indent=inner, taken=inner + len(name))
        for name, item in members
    ]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(lines) + f"\n{' ' * indent}{closing}"
