"""The two cookies of a login in a browser: what they are called, how they are written, and what a request has of them.

[RFC 6265bis]
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.login_tokens import LoginTokens
from service_chassis.problems import Problem

LARGEST: Final = 4095
"""Bytes of a `Set-Cookie` line. Browsers drop larger cookies without a word; some count the attributes too."""

ELIDED: Final = "…"
"""Stands for a cookie's value wherever a script can read."""

_ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Strict"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Carried:
    """The values that a request carries, at least one of them; empty where there is none."""

    access: str
    refresh: str


class Cookies:
    """The cookies of one door.

    `public_url` is where browsers find it. The ports of one host share a cookie jar, so a port that is not its
    scheme's own is in the names: `__Host-signet-8080-access`.
    """

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{parts.port}-"
        # A browser takes a cookie of this prefix only from this very host, over TLS, and for every path of it.
        prefix = f"__Host-signet-{port}"
        self.access_name, self.refresh_name = f"{prefix}access", f"{prefix}refresh"
        self.mark = prefix.encode()
        """Stands in every `Cookie` header that has one of ours."""

    def carried(self, headers: Iterable[tuple[bytes, bytes]]) -> Carried | None:
        """Return what the raw headers of an ASGI scope carry of ours, None if nothing.

        Raises `Problem` (400 invalid_request) when one of ours stands there twice: somebody has planted the other, and
        nobody can tell which.
        """
        values: dict[str, list[str]] = {self.access_name: [], self.refresh_name: []}
        for name, value in headers:
            if name == b"cookie" and self.mark in value:
                for pair in value.decode("latin-1").split(";"):
                    cookie, _, content = pair.strip(" \t").partition("=")
                    if cookie in values:
                        values[cookie].append(content)
        if any(len(each) > 1 for each in values.values()):
            raise Problem(400, "invalid_request", "A cookie of the login stands in the request twice.")
        access, refresh = ("".join(values[name]) for name in (self.access_name, self.refresh_name))
        return Carried(access, refresh) if access or refresh else None

    def setting(self, tokens: LoginTokens) -> list[str]:
        """Return the `Set-Cookie` values that give a browser a login's tokens.

        Each lives as long as what is in it. Raises CookieTooLarge.
        """
        values = [
            _set_cookie(self.access_name, tokens.access, tokens.expires_in),
            _set_cookie(self.refresh_name, tokens.refresh, tokens.refresh_expires_in),
        ]
        if max(map(len, values)) > LARGEST:
            raise CookieTooLarge
        return values

    def clearing(self) -> list[str]:
        """Return the `Set-Cookie` values that take both cookies away."""
        return [_set_cookie(name, "", 0) for name in (self.access_name, self.refresh_name)]

    def described(self, tokens: LoginTokens) -> list[str]:
        """Return what `setting` does with the values left out: for scripts, which are not shown that header."""
        return [
            _set_cookie(self.access_name, ELIDED, tokens.expires_in),
            _set_cookie(self.refresh_name, ELIDED, tokens.refresh_expires_in),
        ]


class CookieTooLarge(Problem):
    """An access token is longer than browsers take a cookie."""

    def __init__(self) -> None:
        super().__init__(
            422,
            "cookie_too_large",
            "The access token does not fit into a cookie. Ask for less with `resource` or `scope`, or for no cookie.",
        )


def _set_cookie(name: str, value: str, max_age: int) -> str:
    """Write a cookie, or take it away with Max-Age 0: without the same attributes that would be another cookie."""
    return f"{name}={value}; Max-Age={max_age}; {_ATTRIBUTES}"
