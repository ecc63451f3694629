"""The one table of what is public, and the one question asked of it: which upstream answers this path?

Whatever the table does not name does not exist at the door. Paths are compared as they came, byte for byte, and go on
like that; so a path that some upstream might read as another one than was compared here is refused, never cleaned up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from service_chassis.problems import Problem

EXACT: Mapping[str, str] = {
    "/register": "auth",
    "/login": "auth",
    "/refresh": "auth",
    "/logout": "auth",
    "/logins": "auth",
    "/password": "auth",
    "/oauth/token": "auth",
    "/oauth/revoke": "auth",
    "/admin/keys": "auth",
    "/.well-known/jwks.json": "auth",
    "/.well-known/oauth-authorization-server": "auth",
    "/api/profile": "profile",
    "/api/orders": "orders",
    "/api/catalogue": "orders",
}
"""Public paths, and the name of the upstream that answers them, whatever the method."""

PREFIXES: Mapping[str, str] = {
    "/logout/": "auth",
    "/logins/": "auth",
    "/admin/": "auth",
    "/api/profiles/": "profile",
    "/api/orders/": "orders",
}
"""Public path prefixes; each ends with a slash."""

ANONYMOUS: Final = frozenset(
    {
        "/register",
        "/login",
        "/refresh",
        "/oauth/token",
        "/oauth/revoke",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/api/catalogue",
    }
)
"""Public paths that ask nobody who they are: a browser's login is left alone on the way there, whatever its state."""

_PATH = re.compile(rb"/[!-\"$->@-\[\]-~]*")
_UNSAFE_WHEN_DECODED = re.compile(rb"[\x00-\x1f\x7f\\]")
_DEEPEST_ENCODING = 5


@dataclass(frozen=True, slots=True)
class Route:
    """An entry of the table: the path or prefix as it is written there, and its upstream's name."""

    path: str
    upstream: str

    @property
    def anonymous(self) -> bool:
        """Whether nobody has to say who they are."""
        return self.path in ANONYMOUS


class RouteTable:
    """The table, ready to be asked.

    Raises ValueError when a prefix does not end with a slash, because `/api/orders` would then also cover
    `/api/orders-internal`.
    """

    def __init__(self, exact: Mapping[str, str] = EXACT, prefixes: Mapping[str, str] = PREFIXES) -> None:
        if faulty := [prefix for prefix in prefixes if not prefix.endswith("/")]:
            raise ValueError(f"prefixes without a slash at their end: {faulty}")
        self._exact = {path.encode(): Route(path, upstream) for path, upstream in exact.items()}
        self._prefixes = tuple((path.encode(), Route(path, upstream)) for path, upstream in prefixes.items())

    def upstream_names(self) -> frozenset[str]:
        """Return the upstreams that the table needs."""
        return frozenset(route.upstream for route in (*self._exact.values(), *(route for _, route in self._prefixes)))

    def find(self, raw_path: bytes) -> Route | None:
        """Return the entry for a path as it stood in the request line, without its query; None if there is none.

        Raises `Problem` (400 malformed_request) for a path that could mean another one to somebody else: dot segments
        and control characters or backslashes in any encoding, and bytes that have no place in a path.
        """
        if (route := self._exact.get(raw_path)) is not None:
            return route
        refuse_ambiguous(raw_path)
        for prefix, route in self._prefixes:
            if raw_path.startswith(prefix):
                return route
        return None

    def covers(self, path: str) -> bool:
        """Whether a path or path template, as OpenAPI writes it, is public."""
        raw = path.encode()
        return raw in self._exact or any(raw.startswith(prefix) for prefix, _ in self._prefixes)

    def upstream_of(self, path: str) -> str | None:
        """Return the upstream's name for a path or path template, None if it is not public."""
        raw = path.encode()
        if (route := self._exact.get(raw)) is not None:
            return route.upstream
        return next((route.upstream for prefix, route in self._prefixes if raw.startswith(prefix)), None)


def refuse_ambiguous(raw_path: bytes) -> None:
    """Raise `Problem` for a path that two readers could read as two paths. [RFC 3986 sections 3.3 and 6.2.2]"""
    if not _PATH.fullmatch(raw_path):
        raise Problem(400, "malformed_request", "The path contains characters that have no place in one.")
    decoded = raw_path
    for _ in range(_DEEPEST_ENCODING):
        if _UNSAFE_WHEN_DECODED.search(decoded):
            raise Problem(400, "malformed_request", "The path contains a control character or a backslash.")
        # Some servers cut parameters off a segment before they resolve it: `..;x` is `..` to them.
        if any(segment.partition(b";")[0] in {b".", b".."} for segment in decoded.split(b"/")):
            raise Problem(400, "malformed_request", "The path contains a dot segment.")
        if b"%" not in decoded:
            return
        once_more = unquote_to_bytes(decoded)
        if once_more == decoded:
            return
        decoded = once_more
    raise Problem(400, "malformed_request", "The path is percent-encoded over and over.")
