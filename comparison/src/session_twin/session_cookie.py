"""The cookie: transport of the session id, and nothing else. [RFC 6265bis]"""

from collections.abc import Iterable

NAME = "__Host-signet-twin"
"""A browser takes a cookie of this prefix only from this very host, over TLS, and for every path of it."""


def setting(id_: str, *, max_age: float) -> str:
    """Return the `Set-Cookie` of a new session; `max_age` is in seconds, which it is on the wire too."""
    return f"{NAME}={id_}; Max-Age={max_age:.0f}; {_ATTRIBUTES}"


def removing() -> str:
    """Return the `Set-Cookie` that takes the cookie away. It needs the same attributes, or it names another cookie."""
    return f"{NAME}=; Max-Age=0; {_ATTRIBUTES}"


def session_ids(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Return every session id in the raw headers of an ASGI scope: more than one means that somebody added one."""
    ids = []
    for name, value in headers:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                cookie, _, content = pair.strip().partition("=")
                if cookie == NAME:
                    ids.append(content)
    return ids


_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"
