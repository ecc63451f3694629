"""Tokens that the issuer's key has signed, and that say what must not be accepted."""

from token_verification.claims import REQUIRED
from token_verification.forgeries.forgery import Forgery, token_forgery
from token_verification.testing import FakeIssuer, json_bytes


def _claim(name: str, reason: str, /, **claims: object) -> Forgery:
    return token_forgery(name, reason, lambda issuer, audience: issuer.token(**({"aud": audience} | claims)))  # type: ignore[arg-type]


def _at(name: str, reason: str, /, **seconds_from_now: float) -> Forgery:
    """Say times relative to the moment of the attempt."""

    def make(issuer: FakeIssuer, audience: str) -> str:
        now = int(issuer.clock())
        return issuer.token(aud=audience, **{claim: now + delta for claim, delta in seconds_from_now.items()})  # type: ignore[arg-type]

    return token_forgery(name, reason, make)


def _aud(name: str, make: str) -> Forgery:
    """`make`: the audience, with `{}` for the true one."""
    return token_forgery(
        f"aud-{name}", "wrong_audience", lambda issuer, audience: issuer.token(aud=make.format(audience))
    )


def _raw(name: str, claim: str, literal: str, reason: str = "malformed") -> Forgery:
    """Write a claim as JSON that no writer of ours would write."""

    def make(issuer: FakeIssuer, audience: str) -> str:
        payload = json_bytes(issuer.claims(aud=audience) | {claim: "@"})
        return issuer.sign(json_bytes(issuer.header()), payload.replace(b'"@"', literal.encode("utf-8")))

    return token_forgery(name, reason, make)


def _missing(claim: str) -> Forgery:
    return token_forgery(
        f"{claim}-missing", "missing_claim", lambda issuer, audience: issuer.token(aud=audience, omit={claim})
    )


_WRONG_FORMS: tuple[tuple[str, str, object], ...] = (
    *(
        (claim, how, wrong)
        for claim in ("iss", "sub", "client_id", "jti", "sid")
        for how, wrong in (("number", 7), ("empty", ""), ("null", None), ("list", ["a"]))
    ),
    *(
        (claim, how, wrong)
        for claim in ("iat", "exp", "auth_time")
        for how, wrong in (("text", "soon"), ("null", None), ("true", True), ("list", [1]), ("negative", -1))
    ),
    ("exp", "digits", "9999999999"),
    ("sub", "two-lines", "a\nb"),
    ("sub", "256-characters", "s" * 256),
    ("aud", "number", 7),
    ("aud", "null", None),
    ("aud", "object", {"urn:test:api": True}),
    ("scope", "number", 7),
    ("scope", "empty", ""),
    ("scope", "list", ["read"]),
    ("scope", "two-spaces", "read  write"),
    ("scope", "leading-space", " read"),
    ("scope", "trailing-newline", "read\n"),
    ("scope", "quotation-marks", 'read "write"'),
    ("name", "number", 7),
    ("name", "two-lines", "a\r\nb"),
    ("act", "text", "orders"),
    ("act", "empty", {}),
    ("act", "number-inside", {"sub": 7}),
    ("nbf", "text", "soon"),
)

CLAIMS = (
    *(_missing(claim) for claim in REQUIRED),
    token_forgery("no-claims-at-all", "missing_claim", lambda i, _: i.sign(json_bytes(i.header()), b"{}")),
    *(_claim(f"{claim}-is-{how}", "malformed", **{claim: wrong}) for claim, how, wrong in _WRONG_FORMS),
    token_forgery("aud-with-a-number", "malformed", lambda i, a: i.token(aud=[a, 7])),
    # Times.
    _at("expired-long-ago", "expired", iat=-900, exp=-600, auth_time=-900),
    _at("expired-beyond-the-leeway", "expired", iat=-306, exp=-6, auth_time=-306),
    _at("iat-in-the-future", "not_yet_valid", iat=60, exp=360),
    _at("nbf-in-the-future", "not_yet_valid", nbf=60),
    _at("auth-time-in-the-future", "not_yet_valid", auth_time=60),
    _at("life-of-a-year", "life_too_long", exp=31_536_000),
    _at("life-one-second-too-long", "life_too_long", iat=-10, exp=591),
    _at("life-hidden-in-the-past", "life_too_long", iat=-31_536_000, exp=60),
    _at("exp-before-iat", "malformed", iat=4, exp=0),
    _at("exp-with-a-fraction", "malformed", exp=299.5),
    _raw("exp-nan", "exp", "NaN"),
    _raw("exp-infinity", "exp", "Infinity"),
    _raw("exp-float-infinity", "exp", "1e400"),
    _raw("exp-with-5000-digits", "exp", "9" * 5000),
    _raw("exp-with-100-digits", "exp", "9" * 100),
    _raw("exp-beyond-the-calendar", "exp", "253402300800"),
    _raw("sub-lone-surrogate", "sub", '"\\ud800"'),
    # The issuer.
    token_forgery("iss-trailing-slash", "wrong_issuer", lambda i, a: i.token(aud=a, iss=f"{i.issuer}/")),
    token_forgery("iss-upper-case", "wrong_issuer", lambda i, a: i.token(aud=a, iss=i.issuer.upper())),
    token_forgery("iss-longer", "wrong_issuer", lambda i, a: i.token(aud=a, iss=f"{i.issuer}.attacker.test")),
    token_forgery("iss-shorter", "wrong_issuer", lambda i, a: i.token(aud=a, iss=i.issuer[:-1])),
    token_forgery("iss-with-a-space", "wrong_issuer", lambda i, a: i.token(aud=a, iss=f"{i.issuer} ")),
    _claim("iss-someone-elses", "wrong_issuer", iss="https://attacker.test"),
    # The audience.
    _aud("of-another-service", "urn:test:somebody-else"),
    _aud("longer", "{}:admin"),
    _aud("with-a-prefix", "x{}"),
    _aud("trailing-slash", "{}/"),
    _aud("upper-case-urn", "URN:{}"),
    _aud("two-in-one-string", "{} urn:test:somebody-else"),
    token_forgery("aud-shorter", "wrong_audience", lambda i, a: i.token(aud=a[:-1])),
    token_forgery("aud-list-without-us", "wrong_audience", lambda i, a: i.token(aud=[f"{a}1", f"{a}2"])),
    token_forgery("aud-empty-list", "wrong_audience", lambda i, _: i.token(aud=[])),
    token_forgery("aud-injection", "wrong_audience", lambda i, _: i.token(aud='x", scope="all')),
    # Tokens that are good elsewhere, or for someone else.
    _claim("bound-to-a-key", "wrong_type", cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    token_forgery("an-answer-of-the-revocation-feed", "wrong_type", lambda i, _: i.feed.answer(after=0)),
    token_forgery(
        "an-id-token", "wrong_type", lambda i, _: i.token(header={"typ": "JWT"}, aud="test-client", nonce="n")
    ),
)
