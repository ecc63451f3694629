"""What a signing key is made of: a private half that signs, and a public half that the world verifies with."""

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from service_chassis.sealing import KeysUnusable


@dataclass(frozen=True)
class SigningKey:
    """A key that can sign."""

    kid: str
    private_key: RSAPrivateKey


class KeyMaker:
    """Makes keys, one of them ahead of time: a search for primes takes a second or more, a kill switch should not."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._ahead: RSAPrivateKey | None = None
        self._at_work = asyncio.Lock()

    async def make_ahead(self) -> None:
        """Have a key at hand, unless there is one."""
        async with self._at_work:
            if self._ahead is None:
                self._ahead = await self._make()

    async def take(self) -> RSAPrivateKey:
        """Return a new key that nobody else gets: the one at hand or under way, or one that is made now."""
        async with self._at_work:  # one that is nearly made is there sooner than another beside it
            key, self._ahead = self._ahead, None
            return key or await self._make()

    def give_back(self, key: RSAPrivateKey) -> None:
        """Keep a key that was taken and not used, of which nobody has heard."""
        self._ahead = key

    async def _make(self) -> RSAPrivateKey:
        # In a thread, which lets go of the interpreter meanwhile: the event loop goes on.
        return await asyncio.to_thread(generate_private_key, public_exponent=65537, key_size=self._bits)


def public_jwk(key: RSAPrivateKey) -> dict[str, str]:
    """Return the public half as a JWK, its `kid` being its thumbprint. [RFC 7517, RFC 7518 section 6.3.1, RFC 7638]"""
    numbers = key.public_key().public_numbers()
    required = {"e": _base64url_uint(numbers.e), "kty": "RSA", "n": _base64url_uint(numbers.n)}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    kid = _base64url(hashlib.sha256(canonical).digest())
    return {"kty": "RSA", "n": required["n"], "e": required["e"], "kid": kid, "use": "sig", "alg": "RS256"}


def private_bytes(key: RSAPrivateKey) -> bytes:
    """Return the private half in the form in which it is sealed: PKCS #8, DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def signing_key(kid: str, opened: bytes) -> SigningKey:
    """Return the key of that id from what its seal held. Raises KeysUnusable when it is another."""
    # Checking its numbers would hold the interpreter, and so the event loop, for a fifth of a second. They were sound
    # when they were sealed, and whoever could seal others could as well seal sound ones of their own.
    private_key = load_der_private_key(opened, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private_key, RSAPrivateKey) or public_jwk(private_key)["kid"] != kid:
        raise KeysUnusable(f"The signing key {kid} in the database is not the one it is stored as.")
    return SigningKey(kid, private_key)


def label(kid: str) -> str:
    """Return the label under which the private key of that id is sealed."""
    # The label says what a sealed thing is, besides whose: a row moved to another place does not open there.
    return f"signing key {kid}"


def _base64url_uint(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
