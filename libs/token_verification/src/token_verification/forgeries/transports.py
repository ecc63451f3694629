"""Good tokens that are sent in a way that does not count, or in two ways at once."""

from token_verification.forgeries.forgery import Attempt, Forgery
from token_verification.testing import FakeIssuer

_AUTHORIZATION = b"authorization"


def _good(issuer: FakeIssuer, audience: str) -> bytes:
    return issuer.token(aud=audience).encode("ascii")


def _value(
    name: str, before: bytes, after: bytes = b"", *, reason: str = "no_credentials", status: int = 401
) -> Forgery:
    """Write the token into the header's value between something else."""
    return Forgery(
        f"transport-{name}",
        reason,
        status,
        lambda issuer, audience: Attempt([(_AUTHORIZATION, before + _good(issuer, audience) + after)]),
    )


def _twice(issuer: FakeIssuer, audience: str) -> Attempt:
    header = (_AUTHORIZATION, b"Bearer " + _good(issuer, audience))
    return Attempt([header, header])


def _with_another(other: bytes) -> Forgery:
    return Forgery(
        f"transport-with-{other.split(b' ')[0].decode('ascii').lower()}",
        "invalid_request",
        400,
        lambda issuer, audience: Attempt(
            [(_AUTHORIZATION, b"Bearer " + _good(issuer, audience)), (b"Authorization", other)]
        ),
    )


def _in_query(name: str, query: str, *, header: bool) -> Forgery:
    """`query`: with `{}` for the token."""
    reason, status = ("invalid_request", 400) if header else ("no_credentials", 401)

    def make(issuer: FakeIssuer, audience: str) -> Attempt:
        token = _good(issuer, audience)
        return Attempt([(_AUTHORIZATION, b"Bearer " + token)] if header else [], query.format(token.decode("ascii")))

    return Forgery(f"transport-{name}", reason, status, make)


def _elsewhere(name: str, header: bytes, before: bytes = b"") -> Forgery:
    return Forgery(
        f"transport-{name}",
        "no_credentials",
        401,
        lambda issuer, audience: Attempt([(header, before + _good(issuer, audience))]),
    )


def _fixed(name: str, value: bytes, reason: str) -> Forgery:
    return Forgery(f"transport-{name}", reason, 401, lambda _issuer, _audience: Attempt([(_AUTHORIZATION, value)]))


TRANSPORTS = (
    Forgery("transport-nothing", "no_credentials", 401, lambda _issuer, _audience: Attempt([])),
    # The scheme.
    _value("no-scheme", b""),
    _value("basic", b"Basic "),
    _value("token-scheme", b"Token "),
    _value("jwt-scheme", b"JWT "),
    _value("dpop-scheme", b"DPoP "),
    _value("colon-after-the-scheme", b"Bearer: "),
    _value("no-space", b"Bearer"),
    _value("tab-instead-of-space", b"Bearer\t"),
    _value("scheme-twice", b"Bearer Bearer ", reason="malformed"),
    _value("look-alike-scheme", "B\u0435arer ".encode()),
    _value("parameter-after", b"Bearer ", b", realm=x", reason="malformed"),
    _value("as-a-parameter", b"Bearer token=", reason="malformed"),
    _fixed("scheme-alone", b"Bearer", "malformed"),
    _fixed("empty-header", b"", "no_credentials"),
    _fixed("basic-password", b"Basic dXNlcjpwYXNzd29yZA==", "no_credentials"),
    # Twice.
    Forgery("transport-two-headers", "invalid_request", 400, _twice),
    _with_another(b"Basic dXNlcjpwYXNzd29yZA=="),
    _with_another(b"Bearer x"),
    _in_query("query-and-header", "access_token={}", header=True),
    _in_query("escaped-query-and-header", "a=b&access%5Ftoken={}", header=True),
    _in_query("empty-query-and-header", "access_token=", header=True),
    # Where nobody looks.
    _in_query("query", "access_token={}", header=False),
    _in_query("other-query", "token={}", header=False),
    _elsewhere("cookie", b"cookie", b"access_token="),
    _elsewhere("x-access-token", b"x-access-token"),
    _elsewhere("proxy-authorization", b"proxy-authorization", b"Bearer "),
    _elsewhere("x-forwarded-authorization", b"x-forwarded-authorization", b"Bearer "),
    _elsewhere("x-original-authorization", b"x-original-authorization", b"Bearer "),
)
