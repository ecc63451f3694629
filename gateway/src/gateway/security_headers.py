"""What every answer tells the browser about itself, whoever's answer it is.

An answer of an API is no page: nothing is loaded for it, nobody frames it, no other site embeds it. The gateway's own
pages have a policy of their own. Nothing here costs a request anything but the bytes: the headers of `for_all` are the
server's, which it writes before whatever an application says; the policy stands in each answer's own headers, because
of two policies a browser obeys both. [OWASP HTTP Security Response Headers Cheat Sheet]
"""

from typing import Final

POLICY_NAME: Final = b"content-security-policy"
NO_PAGE: Final = b"default-src 'none'; frame-ancestors 'none'"
"""The policy of whatever is no page: should a browser take it for one, it loads and runs nothing."""

PAGE: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The policy of our pages: this origin alone, and neither script nor style in the page itself. Icons in style sheets
are data URLs."""

POLICY: Final = (POLICY_NAME, NO_PAGE)

HSTS: Final = "max-age=63072000"
"""Two years of TLS alone, for this host; what other hosts of its domain do is not the gateway's to say. [RFC 6797]"""


def for_all(*, https: bool) -> list[tuple[str, str]]:
    """Return the headers of every answer but for its policy; `https`: whether the public URL is one of TLS."""
    headers = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ]
    return [*headers, ("strict-transport-security", HSTS)] if https else headers


NAMES: Final = frozenset({POLICY_NAME, *(name.encode() for name, _ in for_all(https=True))})
"""Only the gateway says these: of two that differ, nobody knows which holds."""
