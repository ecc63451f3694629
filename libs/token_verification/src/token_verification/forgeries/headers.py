"""Tokens whose header names a key, or a kind of token, that does not count."""

from token_verification.compact_jws import base64url_encoded
from token_verification.forgeries.forgery import Forgery, header_forgery, token_forgery
from token_verification.key_set import VerificationKey
from token_verification.testing import FakeIssuer, json_bytes, key_id_of


def _by_the_attacker(issuer: FakeIssuer, audience: str, **members: object) -> str:
    return issuer.sign(
        json_bytes(issuer.header(**members)), json_bytes(issuer.claims(aud=audience)), key=issuer.attackers_key()
    )


def _attackers_jwk(issuer: FakeIssuer) -> dict[str, str]:
    return VerificationKey(issuer.key_id, issuer.attackers_key().public_key()).jwk


def _kid(name: str, kid: object, reason: str) -> Forgery:
    return header_forgery(f"kid-{name}", reason, lambda issuer: issuer.header(kid=kid))


def _extra(member: str, value: object) -> Forgery:
    return header_forgery(f"header-{member}", "malformed", lambda issuer: issuer.header(**{member: value}))


HEADERS = (
    # The key.
    token_forgery("key-attackers-under-our-kid", "bad_signature", _by_the_attacker),
    token_forgery(
        "key-attackers-under-its-own-kid",
        "unknown_kid",
        lambda i, a: _by_the_attacker(i, a, kid=key_id_of(i.attackers_key().public_key())),
    ),
    token_forgery("key-embedded-as-jwk", "malformed", lambda i, a: _by_the_attacker(i, a, jwk=_attackers_jwk(i))),
    token_forgery(
        "key-embedded-as-jwk-alone",
        "malformed",
        lambda i, a: i.sign(
            json_bytes({"alg": "RS256", "typ": "at+jwt", "jwk": _attackers_jwk(i)}),
            json_bytes(i.claims(aud=a)),
            key=i.attackers_key(),
        ),
    ),
    token_forgery(
        "key-at-the-attackers-jku",
        "malformed",
        lambda i, a: _by_the_attacker(i, a, jku="https://attacker.test/.well-known/jwks.json"),
    ),
    token_forgery(
        "key-at-the-attackers-x5u",
        "malformed",
        lambda i, a: _by_the_attacker(i, a, x5u="https://attacker.test/cert.pem"),
    ),
    token_forgery("key-embedded-as-x5c", "malformed", lambda i, a: _by_the_attacker(i, a, x5c=["MIIB"])),
    # The kid.
    _kid("unknown", "no-such-key", "unknown_kid"),
    _kid("path-traversal", "../../../../dev/null", "unknown_kid"),
    _kid("sql", "' UNION SELECT 'secret' --", "unknown_kid"),
    _kid("shell", "key;$(touch /tmp/owned)|`id`", "unknown_kid"),
    _kid("header-injection", "a\r\nset-cookie: stolen=1\r\n\r\n<h1>", "unknown_kid"),
    _kid("quotation-mark", 'a", error="none', "unknown_kid"),
    _kid("not-latin", "ключ\u202e\U0001f511", "unknown_kid"),
    _kid("nul", "\x00", "unknown_kid"),
    _kid("url", "https://attacker.test/key.pem", "unknown_kid"),
    _kid("empty", "", "malformed"),
    _kid("number", 1, "malformed"),
    _kid("null", None, "malformed"),
    _kid("list", ["a"], "malformed"),
    _kid("object", {"a": "b"}, "malformed"),
    _kid("long", "k" * 5000, "malformed"),
    header_forgery("kid-missing", "malformed", lambda _: {"alg": "RS256", "typ": "at+jwt"}),
    header_forgery("kid-other-case", "unknown_kid", lambda i: i.header(kid=i.key_id.swapcase())),
    header_forgery("kid-with-a-space", "unknown_kid", lambda i: i.header(kid=f"{i.key_id} ")),
    # The type.
    header_forgery("typ-jwt", "wrong_type", lambda i: i.header(typ="JWT")),
    header_forgery("typ-missing", "wrong_type", lambda i: {"alg": "RS256", "kid": i.key_id}),
    header_forgery("typ-upper-case", "wrong_type", lambda i: i.header(typ="AT+JWT")),
    header_forgery("typ-long-form", "wrong_type", lambda i: i.header(typ="application/at+jwt")),
    header_forgery("typ-of-the-revocation-feed", "wrong_type", lambda i: i.header(typ="revocations+jwt")),
    header_forgery("typ-of-an-id-token", "wrong_type", lambda i: i.header(typ="id_token+jwt")),
    header_forgery("typ-of-a-logout-token", "wrong_type", lambda i: i.header(typ="logout+jwt")),
    header_forgery("typ-empty", "wrong_type", lambda i: i.header(typ="")),
    header_forgery("typ-list", "wrong_type", lambda i: i.header(typ=["at+jwt"])),
    header_forgery("typ-null", "wrong_type", lambda i: i.header(typ=None)),
    # Whatever else it says, signed by the issuer or not.
    _extra("crit", ["exp"]),
    _extra("crit-empty", []),
    _extra("b64", value=False),
    _extra("jku", "https://issuer.test/.well-known/jwks.json"),
    _extra("x5t", "AAAA"),
    _extra("cty", "JWT"),
    _extra("zip", "DEF"),
    _extra("enc", "A128GCM"),
    _extra("p2c", 2**31),
    _extra("made-up", None),
    token_forgery(
        "header-as-claims",
        "unsupported_algorithm",
        lambda i, a: i.sign(json_bytes(i.claims(aud=a)), json_bytes(i.header())),
    ),
    token_forgery(
        "header-empty-object", "unsupported_algorithm", lambda i, a: i.sign(b"{}", json_bytes(i.claims(aud=a)))
    ),
    token_forgery("header-not-json", "malformed", lambda i, a: i.sign(b"\xff\xfe", json_bytes(i.claims(aud=a)))),
    token_forgery(
        "header-an-encrypted-tokens",
        "malformed",
        lambda _issuer, _audience: ".".join(
            [base64url_encoded(json_bytes({"alg": "RSA-OAEP", "enc": "A128GCM"})).decode(), "a", "b", "c", "d"]
        ),
    ),
)
