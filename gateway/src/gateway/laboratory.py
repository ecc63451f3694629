"""The laboratory: servers that do it another way, behind the same door, for the page that compares.

A resource server in plain mode, which never hears that a login has ended, and the session twin of the same small app.
Off unless their addresses are set, and then these paths do not exist. A gateway for production goes without this file.
"""

from collections.abc import Mapping
from typing import Final

from starlette.types import Receive, Scope, Send

from gateway.forwarding import Forwarder
from gateway.header_rules import RawHeaders
from gateway.routes import RouteTable
from gateway.upstreams import Upstream, UpstreamLimits
from service_chassis.problems import Problem

FOLDER: Final = "/laboratory"

_PATHS: Final[Mapping[str, frozenset[str]]] = {
    "plain": frozenset({"/api/profile"}),
    "session": frozenset({"/register", "/login", "/logout", "/sessions", "/sessions/", "/api/profile", "/api/orders"}),
}
"""What is public of each, below `/laboratory/NAME`; with a slash at its end, whatever begins so."""

_BEGINNING: Final = f"{FOLDER}/".encode()
_TWINS_COOKIE: Final = b"__Host-signet-twin"


class TwinsCookie:
    """The one cookie that passes the door: the session twin's own, to it and from it."""

    def inwards(self, headers: RawHeaders) -> list[bytes]:
        """Return the header lines for the twin: its cookie, as often as it came, and from where the request comes.

        It is the twin that refuses what another site's page sends; it knows by `Sec-Fetch-Site`, or without that by an
        `Origin` other than the host that was asked, which at the door is the door's.
        """
        told = dict(headers)
        pairs = [pair.strip() for name, value in headers if name == b"cookie" for pair in value.split(b";")]
        own = [pair for pair in pairs if pair.startswith(_TWINS_COOKIE + b"=") and pair.isascii()]
        lines = [b"Cookie: " + b"; ".join(own)] if own else []
        if site := told.get(b"sec-fetch-site"):
            lines.append(b"Sec-Fetch-Site: " + site)
        elif (origin := told.get(b"origin")) and origin.partition(b"://")[2] != told.get(b"host"):
            lines.append(b"Sec-Fetch-Site: cross-site")
        return lines

    def outwards(self, fields: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Return what the twin sets its cookie by, and nothing else that it may set."""
        return [field for field in fields if field[0] == b"set-cookie" and field[1].startswith(_TWINS_COOKIE + b"=")]


class Laboratory:
    """The further upstreams, by name: `plain` and `session`, as far as there are any."""

    def __init__(self, origins: Mapping[str, str], limits: UpstreamLimits, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._upstreams = {
            name: Upstream(name, origin, limits, own_cookie=TwinsCookie() if name == "session" else None)
            for name, origin in origins.items()
        }
        paths = {f"{FOLDER}/{name}{path}": name for name in origins for path in _PATHS[name]}
        self._routes = RouteTable(
            {path: name for path, name in paths.items() if not path.endswith("/")},
            {path: name for path, name in paths.items() if path.endswith("/")},
        )

    def has(self, raw_path: bytes) -> bool:
        """Whether a path is for one of them, if it is for anybody."""
        return raw_path.startswith(_BEGINNING)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request from one of them. Raises `Problem`: 404 not_found, and what forwarding raises."""
        raw_path: bytes = scope["raw_path"]
        route = self._routes.find(raw_path)
        if route is None:
            raise Problem(404, "not_found", "There is nothing at this path.")
        scope["route"] = route
        inside = {**scope, "raw_path": raw_path[len(f"{FOLDER}/{route.upstream}") :]}
        if route.upstream == "session":
            # A token is none of the twin's business, whichever way it came.
            inside["headers"] = [field for field in scope["headers"] if field[0] != b"authorization"]
        await self._forwarder.forward(self._upstreams[route.upstream], inside, receive, send)

    def close(self) -> None:
        """Close the connections that stand idle."""
        for upstream in self._upstreams.values():
            upstream.pool.close()
