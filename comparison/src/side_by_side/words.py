"""How figures and ways are called where people read them."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class InWords(NamedTuple):
    """A way for people: its name, and what it is."""

    name: str
    what: str


WAYS: Final[Mapping[str, InWords]] = {
    "session-memory": InWords(
        "session in memory", "the cookie has an id alone; what it stands for is in the server's own memory"
    ),
    "session-sqlite": InWords("session in SQLite", "the same, and what it stands for is in the app's own database"),
    "session-valkey": InWords(
        "session in Valkey", "the same, and what it stands for is in a store over the network, which servers can share"
    ),
    "jwt-plain": InWords(
        "plain JWT",
        "a signed token in a header, which a server checks by itself with the issuer's public key, until it expires",
    ),
    "jwt-followed": InWords(
        "followed JWT",
        "the same token, at servers that follow the issuer's feed of ended logins and refuse what is on it",
    ),
    "jwt-cookie": InWords(
        "JWT in a cookie",
        "a followed JWT that no script sees: the browser keeps it in an HttpOnly cookie, a gateway puts it into the "
        "header on the way to the servers, and renews it on the way through",
    ),
}
"""Each way by its key."""

_NAMES: Final = {key: way.name for key, way in WAYS.items()} | {
    "jwt-ended": "JWT whose login has just ended",
    "jwt: auth": "JWT: at auth, the issuer",
    "jwt: server": "JWT: at a server that checks it",
    "hs256": "servers with a shared secret (HS256)",
    "rs256": "servers with public keys (RS256)",
}
_KEYS: Final = re.compile("|".join(map(re.escape, sorted(_NAMES, key=len, reverse=True))))
_CLIENTS: Final = re.compile(r", (\d+)(?:: (store|service))?$")

# From the larger to the smaller, as a share is put into words.
_SHARES: Final = (
    (0.95, ""),
    (0.85, "nine tenths"),
    (0.775, "four fifths"),
    (0.71, "three quarters"),
    (0.635, "two thirds"),
    (0.55, "three fifths"),
    (0.45, "half"),
    (0.365, "two fifths"),
    (0.29, "a third"),
    (0.225, "a quarter"),
    (0.15, "a fifth"),
    (0.075, "a tenth"),
)


def label(name: str) -> str:
    """Return what a measured value is called: "latency: session-valkey, 1" is of a session in Valkey, with 1 client."""
    spelled = _CLIENTS.sub(
        lambda found: f", {clients(found[1])}{f', the part of the {found[2]}' if found[2] else ''}", name
    )
    return _KEYS.sub(lambda found: _NAMES[found[0]], spelled)


def clients(count: str | int) -> str:
    """Say how many clients: one or several."""
    return f"{count} client{'' if int(count) == 1 else 's'}"


def multiple(ratio: float) -> str:
    """Say a ratio so that "as long as" can follow: "2.3 times", "about three fifths", "about"."""
    if ratio >= 1.05:  # what is closer than a twentieth is the same
        return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.2g} times"  # two digits that count
    for least, words in _SHARES:
        if ratio >= least:
            return f"about {words}".strip()
    return f"about 1/{1 / ratio:.0f}"


def share(per_cent: float) -> str:
    """Say a share: none, all, or the per cent."""
    if per_cent in {0, 100}:
        return "none" if per_cent == 0 else "all"
    return f"{per_cent:.2g} %"
