"""Which headers pass the door, in which direction.

Towards an upstream by an allow-list: what a client may say to a service is short, what a client might invent is not. A
client cannot speak as somebody else (`X-User-*`), nor as the gateway (`Forwarded`, `X-Forwarded-*`), and cookies end
here. Towards the client by a deny-list: a service may answer with any header that is about its answer.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from gateway.header_fields import connection_options
from gateway.security_headers import NAMES, POLICY
from service_chassis.problems import Problem

RawHeaders = Iterable[tuple[bytes, bytes]]

PASSED_ON: Final = {
    name.lower().encode(): name.encode()
    for name in (
        # what answer is wanted
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Cache-Control",
        "If-Match",
        "If-Modified-Since",
        "If-None-Match",
        "If-Range",
        "If-Unmodified-Since",
        "Prefer",
        "Range",
        # the credential: untouched, each service verifies it by itself
        "Authorization",
        # the body; how it is delimited, the gateway says itself
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        # the request as such
        "Idempotency-Key",
        "Tracestate",
        "User-Agent",
    )
}
"""Request headers that reach an upstream, by their lower-case name. Besides them the gateway itself writes `Host` (the
upstream's), `Forwarded`, `Traceparent`, `X-Request-Id`, and `Content-Length` or `Transfer-Encoding`."""

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""They are about one connection, and there are two. [RFC 9110 section 7.6.1]"""

_OURS: Final = frozenset({b"date", b"server", b"set-cookie", b"x-request-id"}) | NAMES
"""Response headers that only the gateway writes: services own no cookies, need not say what they run on, and do not
tell a browser what it may do with their answers."""

_CORS: Final = frozenset(
    f"access-control-{what}".encode()
    for what in ("allow-origin", "allow-credentials", "allow-headers", "allow-methods", "expose-headers", "max-age")
)
"""Which other origin's page may read an answer is decided in one place, at the door."""

_NOT_ANSWERED: Final = _HOP_BY_HOP | _OURS | _CORS

_HOST = re.compile(rb"[A-Za-z0-9.\-_:\[\]]{1,255}")
_LONGEST_ADDRESS: Final = 45


def upstream_fields(headers: RawHeaders, *, client: str | None, scheme: str, trace: Mapping[str, str]) -> list[bytes]:
    """Return the header lines for the upstream, without line ends.

    `headers` are the client's, names in lower case; `client` its address; `trace` the headers of the trace. Raises
    `Problem`: 400 invalid_request for more than one Authorization header, 400 malformed_request for a value that is not
    UTF-8.
    """
    passed: list[tuple[bytes, bytes]] = []
    named: set[bytes] = set()
    host = b""
    authorizations = 0
    for name, value in headers:
        if name in PASSED_ON:
            if not (value.isascii() or _is_utf_8(value)):
                raise Problem(400, "malformed_request", "A header's value is neither ASCII nor UTF-8.")
            passed.append((name, value))
            authorizations += name == b"authorization"
        elif name == b"connection":
            named |= connection_options(value)
        elif name == b"host":
            host = value
    if authorizations > 1:
        raise Problem(400, "invalid_request", "There is more than one Authorization header.")
    fields = [b"%b: %b" % (PASSED_ON[name], value) for name, value in passed if name not in named]
    # What is longer comes from a proxy that passes on whatever its client says, and need not be remembered.
    fields.append(forwarded(client if client and len(client) <= _LONGEST_ADDRESS else None, host, scheme))
    fields += [f"{name}: {value}".encode() for name, value in trace.items()]
    return fields


def _is_utf_8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(4096)
def forwarded(client: str | None, host: bytes, scheme: str) -> bytes:
    """Return the line `Forwarded`: what this gateway saw itself, and nothing a client claims. [RFC 7239]"""
    by_name = f';host="{host.decode()}"' if _HOST.fullmatch(host) else ""
    return f"Forwarded: for={_node(client)}{by_name};proto={scheme}".encode()


def _node(client: str | None) -> str:
    """Write an address as `for=` wants it. A named proxy may say anything: what is no address would be more fields."""
    try:
        address = ipaddress.ip_address(client or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return f'"[{ipaddress.IPv6Address(int(address))}]"'  # without its zone, which is any text


def request_head(method: str, target: bytes, authority: bytes, fields: Iterable[bytes]) -> bytes:
    """Return a request's head for an upstream: `authority` is its host and port, `fields` all other header lines.

    Raises `Problem` (400 malformed_request) for parts that would make more lines of it than there are: the door lets
    none in, and behind this line there is nobody else to see it.
    """
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target), b"Host: " + authority, *fields, b"", b""]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise Problem(400, "malformed_request", "A part of the request would become several.")
    return head


def client_headers(headers: RawHeaders, *, bodiless: bool, origin: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers for the client.

    `headers` are the upstream's, names in lower case. `bodiless` is for statuses without a body, whose Content-Length
    would promise one; `origin` is the upstream's internal origin, which is cut out of a `Location` because nobody
    outside can go there.
    """
    answered: list[tuple[bytes, bytes]] = [POLICY]
    named: set[bytes] = set()
    for field in headers:
        name, value = field
        if name not in _NOT_ANSWERED:
            internal = name == b"location" and value.startswith(origin + b"/")
            answered.append((name, value[len(origin) :]) if internal else field)
        elif name == b"connection":
            named |= connection_options(value)
    if bodiless:
        named.add(b"content-length")
    return [field for field in answered if field[0] not in named] if named else answered
