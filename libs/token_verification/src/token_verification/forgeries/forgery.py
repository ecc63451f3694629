"""What a forgery is, and the pieces that they are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from token_verification.compact_jws import base64url_encoded
from token_verification.testing import FakeIssuer, json_bytes


class Attempt(NamedTuple):
    """One request's credentials, ready to be sent."""

    headers: list[tuple[bytes, bytes]]
    query: str = ""
    """For the URL, without the question mark."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """One lie. `make(issuer, audience)` tells it to the resource server `audience`, which trusts `issuer`."""

    name: str
    reason: str
    status: int
    make: Callable[[FakeIssuer, str], Attempt]

    def __str__(self) -> str:
        return self.name


def bearer(token: str | bytes) -> Attempt:
    """Send a token as it should be sent (RFC 6750, section 2.1)."""
    return Attempt([(b"authorization", b"Bearer " + (token.encode("latin-1") if isinstance(token, str) else token))])


def token_forgery(name: str, reason: str, make: Callable[[FakeIssuer, str], str | bytes]) -> Forgery:
    """Make a forgery that is sent as it should be: the token is the lie."""
    return Forgery(name, reason, 401, lambda issuer, audience: bearer(make(issuer, audience)))


def header_forgery(name: str, reason: str, header: Callable[[FakeIssuer], Mapping[str, object]]) -> Forgery:
    """Make a forgery that the issuer's own key has signed, with another header than it would ever write."""
    return token_forgery(
        name,
        reason,
        lambda issuer, audience: issuer.sign(json_bytes(header(issuer)), json_bytes(issuer.claims(aud=audience))),
    )


def signed_by(
    issuer: FakeIssuer, audience: str, header: Mapping[str, object], signature_of: Callable[[bytes], bytes]
) -> str:
    """Put a token together whose signature comes from elsewhere."""
    claims = json_bytes(issuer.claims(aud=audience))
    signed = base64url_encoded(json_bytes(header)) + b"." + base64url_encoded(claims)
    return (signed + b"." + base64url_encoded(signature_of(signed))).decode("ascii")
