"""Which requests a browser adds a cookie to, by its Path and SameSite."""

from side_by_side.cookie_rules import BrowserRequest, Cookie
from side_by_side.exchange import ask_once
from side_by_side.laboratory import Laboratory
from side_by_side.result import Measured, Result

NAME = "cookie scope"
CLAIM = (
    "A cookie goes along by itself: SameSite keeps it from what other sites' pages send, Path from other routes. "
    "A header never goes along."
)
PROCEDURE = (
    "The twin's own Set-Cookie, the same with one attribute changed, and the gateway's are held against a list of "
    "requests by the rules of RFC 6265bis. Counted are the requests of other sites' pages that would carry it. No "
    "browser is run."
)
REQUESTS = (
    BrowserRequest("the page itself asks", "/api/profile"),
    BrowserRequest("the page itself posts", "/logout", "POST"),
    BrowserRequest("a link on another site", "/", navigation=True, cross_site=True),
    BrowserRequest("a form on another site", "/logout", "POST", navigation=True, cross_site=True),
    BrowserRequest("a script on another site asks", "/api/profile", cross_site=True),
    BrowserRequest("an image on another site", "/api/profile", cross_site=True),
    BrowserRequest("the page, without TLS", "/api/profile", secure=False),
)
CHANGES = {
    "as it is (Lax)": ("", ""),
    "SameSite=Strict": ("SameSite=Lax", "SameSite=Strict"),
    "SameSite=None": ("SameSite=Lax", "SameSite=None"),
    "Path=/api": ("Path=/", "Path=/api"),
}


def measure(lab: Laboratory) -> Result:
    """Hold five cookies against seven requests."""
    way = lab.way("session-valkey", "session-memory")
    person = way.register()
    body = {"email": person.email, "password": person.password}
    own = ask_once(way.desk, "POST", "/login", body=body).headers["set-cookie"]
    carried = {}
    for name, (old, new) in CHANGES.items():
        # Another Path is not for this prefix: a browser would not take the cookie at all.
        cookie = Cookie.parse(own.replace(old, new).replace("__Host-", "") if old else own)
        carried[name] = [cookie.goes_with(request) for request in REQUESTS]
    gateway = lab.ways["jwt-cookie"]
    person = gateway.register()
    body = {"email": person.email, "password": person.password, **gateway.wish}
    both = [
        Cookie.parse(each) for each in ask_once(gateway.desk, "POST", "/login", gateway.page, body=body).set_cookies
    ]
    carried["jwt-cookie"] = [any(cookie.goes_with(request) for cookie in both) for request in REQUESTS]
    foreign = [request.cross_site for request in REQUESTS]
    measured = {
        name: Measured.of(f"of {sum(foreign)}", [sum(goes for goes, cross in zip(each, foreign, strict=True) if cross)])
        for name, each in carried.items()
    }
    facts = {"requests": [request.what for request in REQUESTS], "carried": carried}
    return Result(NAME, CLAIM, PROCEDURE, measured, facts)
