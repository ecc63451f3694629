"""Cross-site request forgery: a browser adds cookies by itself, also to what another origin's page makes it send.

SameSite=Strict keeps them from other sites, but every port of this host is the same site, and so are its siblings under
one registered domain. Fetch Metadata tells all of these apart, and no script can write it. [Fetch Metadata Request
Headers section 2.3, OWASP Cross-Site Request Forgery Prevention Cheat Sheet]
"""

from collections.abc import Iterable

from service_chassis.problems import Problem

_OURS = frozenset({b"same-origin", b"none"})


def refuse_other_origins(headers: Iterable[tuple[bytes, bytes]], own_origin: bytes) -> None:
    """Raise `Problem` (403 cross_site) unless the browser says that a page of ours, or its user, has sent the request.

    1. `Sec-Fetch-Site` has to be `same-origin`, or `none`: by the user themselves, from no page.
    2. Without it, which only older browsers leave out, `Origin` has to be ours.
    3. With neither it is refused. Who is no browser can say either.

    A header that stands there several times has to be right each time. `own_origin` is scheme, host and port, in lower
    case and without a scheme's own port. [RFC 6454 section 6.2]
    """
    sites, origins = [], []
    for name, value in headers:
        if name == b"sec-fetch-site":
            sites.append(value)
        elif name == b"origin":
            origins.append(value)
    is_ours = _OURS.issuperset(sites) if sites else bool(origins) and {own_origin}.issuperset(origins)
    if not is_ours:
        raise Problem(
            403,
            "cross_site",
            "With a cookie, only a page of this origin may change anything: neither Sec-Fetch-Site nor Origin says so.",
        )
