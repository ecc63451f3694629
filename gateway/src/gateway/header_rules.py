"""Which headers pass the door, in which direction.

Towards an upstream by an allow-list: what a client may say to a service is short, what a client might invent is not. A
client cannot speak as somebody else (`X-User-*`), nor as the gateway (`Forwarded`, `X-Forwarded-*`), and cookies end
here. Towards the client by a deny-list: a service may answer with any header that is about its answer.
"""

import re
from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict

from service_chassis.problems import Problem

RawHeaders = Iterable[tuple[bytes, bytes]]

PASSED_ON: Final = {
    name.lower().encode(): name
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
        # the body; its framing is learned from these and never from others
        "Content-Encoding",
        "Content-Language",
        "Content-Length",
        "Content-Type",
        # the request as such
        "Idempotency-Key",
        "Tracestate",
        "User-Agent",
    )
}
"""Request headers that reach an upstream, by their lower-case name. Besides them the gateway itself writes `Host` (the
upstream's), `Forwarded`, `Traceparent` and `X-Request-Id`."""

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

_OURS: Final = frozenset({b"date", b"server", b"set-cookie", b"x-request-id", b"x-content-type-options"})
"""Response headers that only the gateway writes: services own no cookies, and need not say what they run on."""

_NOT_ANSWERED: Final = _HOP_BY_HOP | _OURS

_HOST = re.compile(rb"[A-Za-z0-9.\-_:\[\]]{1,255}")


def upstream_headers(
    headers: RawHeaders, *, client: str | None, scheme: str, trace: dict[str, str]
) -> CIMultiDict[str]:
    """Return the headers for the upstream.

    `headers` are the client's, names in lower case; `client` its address; `trace` the headers of the trace. Raises
    `Problem`: 400 invalid_request for more than one Authorization header, 400 malformed_request for a value that is not
    UTF-8.
    """
    passed: CIMultiDict[str] = CIMultiDict()
    named: set[bytes] = set()
    host = b""
    authorizations = 0
    try:
        for name, value in headers:
            if (spelled := PASSED_ON.get(name)) is not None:
                passed.add(spelled, value.decode())
                authorizations += name == b"authorization"
            elif name == b"connection":
                named.update(connection_options(value))
            elif name == b"host":
                host = value
    except UnicodeDecodeError:
        raise Problem(400, "malformed_request", "A header's value is neither ASCII nor UTF-8.") from None
    if authorizations > 1:
        raise Problem(400, "invalid_request", "There is more than one Authorization header.")
    for name in named:
        if (spelled := PASSED_ON.get(name)) is not None:
            passed.popall(spelled, None)
    passed.add("Forwarded", forwarded(client, host, scheme))
    passed.extend(trace)
    return passed


def forwarded(client: str | None, host: bytes, scheme: str) -> str:
    """Return the value of `Forwarded`: what this gateway saw itself, and nothing a client claims. [RFC 7239]"""
    node = f'"[{client}]"' if client and ":" in client else client or "unknown"
    by_name = f';host="{host.decode()}"' if _HOST.fullmatch(host) else ""
    return f"for={node}{by_name};proto={scheme}"


def client_headers(headers: RawHeaders, *, bodiless: bool, origin: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers for the client.

    `bodiless` is for statuses without a body, whose Content-Length would promise one; `origin` is the upstream's
    internal origin, which is cut out of a `Location` because nobody outside can go there.
    """
    answered: list[tuple[bytes, bytes]] = [(b"x-content-type-options", b"nosniff")]
    named: set[bytes] = set()
    for name, value in headers:
        lowered = name.lower()
        if lowered not in _NOT_ANSWERED:
            internal = lowered == b"location" and value.startswith(origin + b"/")
            answered.append((lowered, value[len(origin) :] if internal else value))
        elif lowered == b"connection":
            named.update(connection_options(value))
    if bodiless:
        named.add(b"content-length")
    return [field for field in answered if field[0] not in named] if named else answered


def connection_options(value: bytes) -> set[bytes]:
    """Return the lower-case names that a `Connection` header lists. [RFC 9110 section 7.6.1]"""
    return {option.strip().lower() for option in value.split(b",")}
