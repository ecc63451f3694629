"""One key of a published set: what it is, whether a Signet service would use it, and what is wrong with it."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from signet.inspector.faults import Fault, error, warning
from signet.inspector.words import date_and_time, visible
from token_verification.compact_jws import base64url_decoded, base64url_encoded
from token_verification.key_set import KEY_ID_LIMIT, PRIVATE_MEMBERS, ExaminedKey
from token_verification.rsa_modulus import SMALLEST, Weakness, weaknesses

_THUMBPRINT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}

_WEAKNESSES: Final[Mapping[Weakness, tuple[str, str]]] = {
    "too_short": ("weak_key", f"Less than {SMALLEST} bits can be factored by whoever pays for it."),
    "too_long": ("oversize_key", "Each verification would pay for nothing."),
    "bad_exponent": ("bad_exponent", "Every sound key has 65537."),
    "small_factor": ("small_factor", "Anyone can compute its private half."),
    "roca": ("roca", "Anyone with some money can compute its private half (CVE-2017-15361)."),
}


@dataclass(frozen=True)
class PublishedKey:
    """An entry of a JWK Set, described. `number`: its place, counted from 1."""

    number: int
    entry: Mapping[str, Any]
    """Its members; empty when it is no JSON object."""
    refusal: str | None
    """Why a Signet service would not use it, as a sentence's end; None if it would."""
    faults: tuple[Fault, ...]
    bits: int | None
    thumbprint: str | None
    """RFC 7638; None if the key has not the members that it is made of."""
    born: float | None
    """When it was made, as far as the entry says so (iat, nbf, or its certificate); seconds since the epoch."""

    @property
    def kid(self) -> str | None:
        kid = self.entry.get("kid")
        return kid if isinstance(kid, str) else None

    @property
    def matches(self) -> bool | None:
        """Whether its kid is its thumbprint; None if one of them is missing."""
        return None if self.kid is None or self.thumbprint is None else self.kid == self.thumbprint

    @property
    def kind(self) -> str:
        """What sort of key it is, and how large: "RSA 3072", "EC P-256"."""
        size = self.bits if self.bits is not None else self.text("crv")
        return f"{self.text('kty') or 'unknown'} {size or ''}".strip()

    def text(self, member: str) -> str | None:
        """Return a member if it is a string, fit for showing."""
        value = self.entry.get(member)
        return visible(value, 64) if isinstance(value, str) else None

    def as_json(self) -> dict[str, object]:
        """Return it as a member of a document: no private member's value is ever in it."""
        return {
            "number": self.number,
            "kid": self.kid,
            **{name: value if isinstance(value := self.entry.get(name), str) else None for name in _NAMED},
            "bits": self.bits,
            "thumbprint": self.thumbprint,
            "kid_is_thumbprint": self.matches,
            "born": self.born,
            "members": sorted(self.entry),
            "used": self.refusal is None,
            "not_used_because": self.refusal,
        }


_NAMED = ("kty", "crv", "use", "alg")


def described(number: int, examined: ExaminedKey) -> PublishedKey:
    """Describe an entry, and find what is wrong with it by itself."""
    entry = examined.entry if isinstance(examined.entry, dict) else {}
    numbers = _rsa_numbers(entry)
    certificate = _certificate(entry)
    faults = [*_faults_of_form(number, examined.entry)]
    if numbers is not None:
        for kind, sentence in weaknesses(*numbers):
            code, meaning = _WEAKNESSES[kind]
            faults.append(error(code, f"Key {number} {sentence}. {meaning}", key=number))
    elif entry.get("kty") == "RSA":
        faults.append(error("unreadable", f"Key {number} has no readable modulus and exponent (n, e).", key=number))
    if certificate is not None and numbers is not None and not _is_of(certificate, numbers):
        faults.append(
            error("certificate_differs", f"Key {number} is not the key of its certificate (x5c).", key=number)
        )
    return PublishedKey(
        number=number,
        entry=entry,
        refusal=examined.refusal,
        faults=tuple(faults),
        bits=None if numbers is None else numbers[0].bit_length(),
        thumbprint=thumbprint(entry),
        born=_birth(entry, certificate),
    )


def _faults_of_form(number: int, entry: object) -> Iterator[Fault]:
    if not isinstance(entry, dict):
        yield error("not_an_object", f"Key {number} is not a JSON object.", key=number)
        return
    if private := sorted(PRIVATE_MEMBERS & entry.keys()):
        yield error(
            "private_members",
            f"Key {number} has private members ({', '.join(private)}): whoever has fetched this set can sign as its "
            "issuer. Withdraw this key now.",
            key=number,
        )
    if not isinstance(entry.get("kty"), str):
        yield warning("kty_missing", f"Key {number} does not say of what kind it is (kty).", key=number)
    kid = entry.get("kid")
    if not isinstance(kid, str) or not kid:
        yield warning("kid_missing", f"Key {number} has no kid: no token can name it.", key=number)
    elif len(kid) > KEY_ID_LIMIT:
        yield warning("kid_too_long", f"Key {number} has a kid of more than {KEY_ID_LIMIT} characters.", key=number)
    for member, meaning in (
        ("use", "whether it signs or encrypts"),
        ("alg", "by which algorithm it signs, so that a token could choose"),
    ):
        if entry.get(member) is None:
            yield warning(f"{member}_missing", f"Key {number} does not say {meaning} ({member}).", key=number)


def faults_between(keys: tuple[PublishedKey, ...]) -> Iterator[Fault]:
    """Find what is wrong with keys of one set together: two under one kid, or one under two."""
    for name, code, sentence in (
        ("kid", "kid_doubled", "have the same kid: nobody can tell which of them a token means"),
        ("thumbprint", "key_doubled", "are the same key: one of them is too many"),
    ):
        places: dict[str, list[int]] = {}
        for key in keys:
            value = key.kid if name == "kid" else key.thumbprint
            if value:
                places.setdefault(value, []).append(key.number)
        for numbers in places.values():
            if len(numbers) > 1:
                *most, last = map(str, numbers)
                said = f"Keys {', '.join(most)} and {last} {sentence}."
                yield error(code, said) if name == "kid" else warning(code, said)


def thumbprint(entry: Mapping[str, Any]) -> str | None:
    """Return the thumbprint of a public key (RFC 7638, section 3), of whatever kind; None if a member is missing."""
    members = {name: entry.get(name) for name in _THUMBPRINT_MEMBERS.get(str(entry.get("kty")), ())}
    if not members or not all(isinstance(value, str) and value.isascii() for value in members.values()):
        return None
    canonical = json.dumps(members, separators=(",", ":"))
    return base64url_encoded(hashlib.sha256(canonical.encode("ascii")).digest()).decode("ascii")


def _rsa_numbers(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    if entry.get("kty") != "RSA":
        return None
    try:
        n, e = (int.from_bytes(base64url_decoded(str(entry.get(name)).encode("ascii")), "big") for name in ("n", "e"))
    except ValueError:
        return None
    return (n, e) if isinstance(entry.get("n"), str) and isinstance(entry.get("e"), str) else None


def _certificate(entry: Mapping[str, Any]) -> x509.Certificate | None:
    match entry.get("x5c"):
        case [str() as first, *_]:
            try:
                return x509.load_der_x509_certificate(base64.b64decode(first, validate=True))
            except (ValueError, x509.InvalidVersion):
                return None
    return None


def _is_of(certificate: x509.Certificate, numbers: tuple[int, int]) -> bool:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(key, RSAPublicKey) and (key.public_numbers().n, key.public_numbers().e) == numbers


def _birth(entry: Mapping[str, Any], certificate: x509.Certificate | None) -> float | None:
    for name in ("iat", "nbf"):  # OpenID Federation 1.0, section 8.7.2, lets a JWK say them
        if date_and_time(entry.get(name)) is not None:
            return float(entry[name])
    return None if certificate is None else certificate.not_valid_before_utc.timestamp()
