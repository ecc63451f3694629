"""What a browser does with a cookie: RFC 6265bis, section 5, as far as an attribute decides it. No browser is run."""

from dataclasses import dataclass
from typing import Literal

SameSite = Literal["Strict", "Lax", "None"]


@dataclass(frozen=True)
class BrowserRequest:
    """A request as a browser is about to send it to the cookie's host."""

    what: str
    path: str
    method: str = "GET"
    cross_site: bool = False
    navigation: bool = False
    """Whether it changes what the address bar says."""
    secure: bool = True


@dataclass(frozen=True)
class Cookie:
    """A cookie as a `Set-Cookie` header describes it."""

    name: str
    value: str
    path: str
    secure: bool
    http_only: bool
    same_site: SameSite
    max_age: int | None

    @classmethod
    def parse(cls, set_cookie: str) -> "Cookie":
        """Read a `Set-Cookie`. ValueError when a browser would not take it. [sections 4.1.3 and 5.6]"""
        pair, *attributes = [part.strip() for part in set_cookie.split(";")]
        name, _, value = pair.partition("=")
        said = {key.strip().lower(): given.strip() for key, _, given in (each.partition("=") for each in attributes)}
        # Browsers take a cookie without SameSite for Lax.
        same_site: SameSite = {"strict": "Strict", "none": "None"}.get(said.get("samesite", "").lower(), "Lax")  # type: ignore[assignment]
        path = said.get("path", "/")
        cookie = cls(
            name,
            value,
            path if path.startswith("/") else "/",
            "secure" in said,
            "httponly" in said,
            same_site,
            int(said["max-age"]) if "max-age" in said else None,
        )
        if name.startswith("__Host-") and not (cookie.secure and cookie.path == "/" and "domain" not in said):
            raise ValueError("a __Host- cookie is Secure, for every path, and of this host alone")
        if same_site == "None" and not cookie.secure:
            raise ValueError("a cookie for other sites' pages is Secure")
        return cookie

    @property
    def script_sees(self) -> str:
        """What `document.cookie` says of it. [section 5.8.3, step 1]"""
        return "" if self.http_only else f"{self.name}={self.value}"

    def goes_with(self, request: BrowserRequest) -> bool:
        """Tell whether the browser adds the cookie to a request. [section 5.8.3, step 1]"""
        if self.secure and not request.secure:
            return False
        if not _matches(request.path, self.path):
            return False
        if not request.cross_site or self.same_site == "None":
            return True
        return self.same_site == "Lax" and request.navigation and request.method in {"GET", "HEAD"}


def _matches(path: str, of_cookie: str) -> bool:
    """Tell whether a path is the cookie's or below it. [section 5.1.4]"""
    return path == of_cookie or (
        path.startswith(of_cookie) and (of_cookie.endswith("/") or path[len(of_cookie) :].startswith("/"))
    )
