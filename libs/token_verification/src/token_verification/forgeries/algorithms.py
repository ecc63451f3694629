"""Tokens that want another algorithm used than the one that the verifier uses."""

import hashlib
import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from token_verification.forgeries.forgery import Forgery, header_forgery, signed_by, token_forgery
from token_verification.testing import FakeIssuer


def _unsigned(spelling: str) -> Forgery:
    return token_forgery(
        f"alg-none-spelt-{spelling}",
        "unsupported_algorithm",
        # Some bytes of signature, so that it is the algorithm that is refused and not an empty part.
        lambda issuer, audience: signed_by(issuer, audience, issuer.header(alg=spelling), lambda _: b"none"),
    )


def _public_half(encoding: Encoding, form: PublicFormat) -> Callable[[FakeIssuer], bytes]:
    return lambda issuer: issuer.private_key.public_key().public_bytes(encoding, form)


def _public_jwk(member: str) -> Callable[[FakeIssuer], bytes]:
    return lambda issuer: str(issuer.jwk_set["keys"][0][member]).encode("ascii")


def _keyed_by_what_is_public(
    name: str, secret: Callable[[FakeIssuer], bytes], *, alg: str, reason: str, digest: str = "sha256"
) -> Forgery:
    """HMAC with the public key as its secret: fools whoever takes the algorithm from the token."""
    return token_forgery(
        name,
        reason,
        lambda issuer, audience: signed_by(
            issuer,
            audience,
            issuer.header(alg=alg),
            lambda signed: hmac.new(secret(issuer), signed, getattr(hashlib, digest)).digest(),
        ),
    )


def _rsa(name: str, alg: str, hashing: HashAlgorithm, reason: str, *, pss: bool = False) -> Forgery:
    scheme = padding.PSS(padding.MGF1(hashing), hashing.digest_size) if pss else padding.PKCS1v15()
    return token_forgery(
        name,
        reason,
        lambda issuer, audience: signed_by(
            issuer, audience, issuer.header(alg=alg), lambda signed: issuer.private_key.sign(signed, scheme, hashing)
        ),
    )


def _elliptic(signed: bytes) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).sign(signed, ec.ECDSA(SHA256()))[-64:]


def _edwards(signed: bytes) -> bytes:
    return ed25519.Ed25519PrivateKey.generate().sign(signed)


_PEM = _public_half(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
_REFUSED = "unsupported_algorithm"

ALGORITHMS = (
    *(_unsigned(spelling) for spelling in ("none", "None", "NONE", "nOnE")),
    _keyed_by_what_is_public("alg-hs256-pem", _PEM, alg="HS256", reason=_REFUSED),
    _keyed_by_what_is_public("alg-hs384-pem", _PEM, alg="HS384", reason=_REFUSED, digest="sha384"),
    _keyed_by_what_is_public("alg-hs512-pem", _PEM, alg="HS512", reason=_REFUSED, digest="sha512"),
    _keyed_by_what_is_public(
        "alg-hs256-pkcs1-pem", _public_half(Encoding.PEM, PublicFormat.PKCS1), alg="HS256", reason=_REFUSED
    ),
    _keyed_by_what_is_public(
        "alg-hs256-der", _public_half(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), alg="HS256", reason=_REFUSED
    ),
    _keyed_by_what_is_public("alg-hs256-jwk-n", _public_jwk("n"), alg="HS256", reason=_REFUSED),
    _keyed_by_what_is_public("alg-hs256-kid", _public_jwk("kid"), alg="HS256", reason=_REFUSED),
    _keyed_by_what_is_public("alg-hs256-no-secret", lambda _: b"", alg="HS256", reason=_REFUSED),
    _keyed_by_what_is_public("alg-rs256-but-hmac", _PEM, alg="RS256", reason="bad_signature"),
    _rsa("alg-rs384", "RS384", SHA384(), _REFUSED),
    _rsa("alg-rs512", "RS512", SHA512(), _REFUSED),
    _rsa("alg-ps256", "PS256", SHA256(), _REFUSED, pss=True),
    _rsa("alg-rs256-but-pss", "RS256", SHA256(), "bad_signature", pss=True),
    _rsa("alg-rs256-but-sha512", "RS256", SHA512(), "bad_signature"),
    token_forgery("alg-es256", _REFUSED, lambda i, a: signed_by(i, a, i.header(alg="ES256"), _elliptic)),
    token_forgery("alg-eddsa", _REFUSED, lambda i, a: signed_by(i, a, i.header(alg="EdDSA"), _edwards)),
    header_forgery("alg-lower-case", _REFUSED, lambda i: i.header(alg="rs256")),
    header_forgery("alg-with-a-space", _REFUSED, lambda i: i.header(alg="RS256 ")),
    header_forgery("alg-empty", _REFUSED, lambda i: i.header(alg="")),
    header_forgery("alg-missing", _REFUSED, lambda i: {"typ": "at+jwt", "kid": i.key_id}),
    header_forgery("alg-number", _REFUSED, lambda i: i.header(alg=256)),
    header_forgery("alg-null", _REFUSED, lambda i: i.header(alg=None)),
    header_forgery("alg-list", _REFUSED, lambda i: i.header(alg=["RS256"])),
    header_forgery("alg-object", _REFUSED, lambda i: i.header(alg={"RS256": True})),
)
