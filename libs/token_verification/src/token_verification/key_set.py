"""The issuer's public keys: which of them are accepted, and how a verifier asks for one."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from token_verification.compact_jws import base64url_decoded, base64url_encoded
from token_verification.errors import shown
from token_verification.rsa_modulus import weakness

KEY_ID_LIMIT: Final = 256
"""Characters of a key id, in a key set as in a token. An RFC 7638 thumbprint has 43."""

PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""What a published JWK must not have (RFC 7518, section 6)."""

_PADDING = PKCS1v15()
_HASH = SHA256()


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key that may have signed a token, by RS256 (RFC 7518, section 3.3) and in no other way."""

    key_id: str
    public_key: RSAPublicKey

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Tell whether `signature` is this key's over `signed`."""
        try:
            self.public_key.verify(signature, signed, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True

    @property
    def jwk(self) -> dict[str, str]:
        """This key as a JWK (RFC 7517), with exactly the members `kty n e kid use alg`."""
        numbers = self.public_key.public_numbers()
        return {
            "kty": "RSA",
            "n": _unsigned(numbers.n),
            "e": _unsigned(numbers.e),
            "kid": self.key_id,
            "use": "sig",
            "alg": "RS256",
        }


def thumbprint(public_key: RSAPublicKey) -> str:
    """Return the SHA-256 thumbprint of a key, which is its key id here (RFC 7638, section 3)."""
    jwk = VerificationKey("", public_key).jwk
    canonical = json.dumps({name: jwk[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
    return base64url_encoded(hashlib.sha256(canonical.encode("ascii")).digest()).decode("ascii")


class KeySet(Protocol):
    """Where a verifier gets its keys. Anything with these two methods will do."""

    def known(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is at hand, else None. Never waits, never fetches."""

    async def find(self, key_id: str) -> VerificationKey | None:
        """Return a key that was not at hand, looking further if that is allowed now; None if the issuer has none such.

        Raises KeysUnavailable when nobody can tell.
        """


class StaticKeySet:
    """A key set that does not change: for tests, for pinned keys, for an issuer that verifies its own tokens."""

    def __init__(self, jwk_set: Mapping[str, Any]) -> None:
        """Take a JWK Set (RFC 7517, section 5); ValueError if a key of it is refused, or none is there.

        Unlike a fetched set this one is the caller's own, so a key that cannot be used is a mistake to be heard of.
        """
        keys, complaints = usable_keys(jwk_set)
        if complaints or not keys:
            raise ValueError(f"not a usable key set: {'; '.join(complaints) or 'it has no keys'}")
        self._keys = keys

    def known(self, key_id: str) -> VerificationKey | None:
        return self._keys.get(key_id)

    async def find(self, key_id: str) -> VerificationKey | None:
        return self._keys.get(key_id)


class ExaminedKey(NamedTuple):
    """One entry of a JWK Set, and what became of it: a key that may verify tokens, or a refusal."""

    entry: object
    key: VerificationKey | None
    refusal: str | None
    """The end of a sentence about the entry."""


def usable_keys(jwk_set: Mapping[str, Any]) -> tuple[dict[str, VerificationKey], tuple[str, ...]]:
    """Sort a JWK Set: the keys that may verify tokens by their key id, and a sentence for each that may not.

    Raises ValueError when it is no JWK Set at all. An entry that is refused costs no other one its place: an issuer may
    publish keys for other uses in the same set. A key id that stands twice is refused both times, since nobody can
    tell which of the two was meant.
    """
    keys: dict[str, VerificationKey] = {}
    complaints: list[str] = []
    for place, (entry, key, refusal) in enumerate(examined_keys(jwk_set)):
        if key is None:
            kid = entry.get("kid") if isinstance(entry, dict) else None
            complaints.append(f"key {place} (kid {shown(kid)}) {refusal}")
        else:
            keys[key.key_id] = key
    return keys, tuple(complaints)


def examined_keys(jwk_set: Mapping[str, Any]) -> Iterator[ExaminedKey]:
    """Examine each entry of a JWK Set, in its order; ValueError, at the first step, when it is no JWK Set at all."""
    entries = jwk_set.get("keys")
    if not isinstance(entries, list):
        raise ValueError("it has no list of keys")  # noqa: TRY004 -- a malformed document, not a mistaken caller
    times = Counter(kid for entry in entries if isinstance(entry, dict) and isinstance(kid := entry.get("kid"), str))
    for entry in entries:
        try:
            key = _verification_key(entry)
            if times[key.key_id] > 1:
                raise ValueError("has a kid that stands in the set more than once")  # noqa: TRY301 -- one way to refuse
        except ValueError as refusal:
            yield ExaminedKey(entry, None, str(refusal))
        else:
            yield ExaminedKey(entry, key, None)


def _verification_key(entry: object) -> VerificationKey:
    if not isinstance(entry, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 -- a malformed document, not a mistaken caller
    # Before anything else: whoever published the private half has made the key everyone's.
    if not PRIVATE_MEMBERS.isdisjoint(entry):
        raise ValueError("has private members")
    for member, wanted in (("kty", "RSA"), ("use", "sig"), ("alg", "RS256")):
        if entry.get(member) != wanted:
            raise ValueError(f"has {member} {shown(entry.get(member))} instead of {wanted}")
    kid = entry.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= KEY_ID_LIMIT:
        raise ValueError(f"has no kid of 1 to {KEY_ID_LIMIT} characters")
    n, e = _number(entry, "n"), _number(entry, "e")
    if fault := weakness(n, e):
        raise ValueError(fault)
    return VerificationKey(kid, RSAPublicNumbers(e, n).public_key())


def _number(entry: Mapping[str, Any], member: str) -> int:
    text = entry.get(member)
    if not isinstance(text, str) or not text.isascii():
        raise ValueError(f"has no {member}")
    try:
        return int.from_bytes(base64url_decoded(text.encode("ascii")), "big")
    except ValueError:
        raise ValueError(f"has an {member} that is not canonical base64url") from None


def _unsigned(number: int) -> str:
    """Write a number as RFC 7518, section 2, calls Base64urlUInt."""
    return base64url_encoded(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode("ascii")
