"""Signing keys: their states, the first pair, and the key set that the world verifies with."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from sqlalchemy import Row, insert, select

from auth_service.database import signing_keys
from service_chassis.conditional_requests import entity_tag
from service_chassis.database import Database
from service_chassis.sealing import KeyEncryptionKey, KeysUnusable
from token_verification import StaticKeySet
from token_verification.key_set import VerificationKey

_log = structlog.get_logger()


class KeyState(StrEnum):
    """Where a key stands in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    REMOVED = "removed"
    COMPROMISED = "compromised"


_PUBLISHED = (KeyState.ACTIVE, KeyState.PENDING, KeyState.RETIRING)


@dataclass(frozen=True)
class SigningKey:
    """The active key, ready to sign."""

    kid: str
    private_key: RSAPrivateKey


@dataclass(frozen=True)
class KeySetDocument:
    """The JWK Set as published: its bytes and its strong entity tag. [RFC 7517 section 5]"""

    body: bytes
    etag: str


class SigningKeys:
    """The issuer's keys. Nothing is known before `open` has run."""

    def __init__(
        self, database: Database, *, key_encryption_key_file: Path, bits: int, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._file = key_encryption_key_file
        self._bits = bits
        self._clock = clock
        self._active: SigningKey | None = None
        self._key_set: KeySetDocument | None = None
        self._verification_keys: StaticKeySet | None = None

    @property
    def active(self) -> SigningKey:
        """The one key that signs."""
        assert self._active is not None, "signing keys are opened before anything is served"  # noqa: S101
        return self._active

    @property
    def key_set(self) -> KeySetDocument:
        """What verifiers fetch."""
        assert self._key_set is not None, "signing keys are opened before anything is served"  # noqa: S101
        return self._key_set

    async def open(self) -> None:
        """Read the keys; where there has never been one, make the first pair. Raises KeysUnusable, having made nothing.

        The first active and pending key are usable at once: no cache of this issuer's key set exists anywhere yet.
        """
        rows = await self._stored()
        if rows:
            sealing = KeyEncryptionKey.read(self._file)
        else:
            sealing = KeyEncryptionKey.make_or_read(self._file)
            rows = await self._genesis(sealing)
        # Every key is opened now, so that one that cannot be is found at start and not at its promotion.
        opened = {
            row.kid: sealing.open(row.sealed_private_key, label=label(row.kid))
            for row in rows
            if row.sealed_private_key
        }
        active = [row.kid for row in rows if row.state == KeyState.ACTIVE]
        if len(active) != 1 or active[0] not in opened:
            raise KeysUnusable("The database holds signing keys, but no active one.")
        private_key = load_der_private_key(opened[active[0]], password=None)
        if not isinstance(private_key, RSAPrivateKey) or public_jwk(private_key)["kid"] != active[0]:
            raise KeysUnusable("The active signing key in the database is not the one it is stored as.")
        self._active = SigningKey(active[0], private_key)
        jwks = [json.loads(row.public_jwk) for row in rows if row.state in _PUBLISHED]
        self._key_set = _document(jwks)
        self._verification_keys = StaticKeySet({"keys": jwks})

    def known(self, key_id: str) -> VerificationKey | None:
        """Return the published key of that id: the issuer verifies its own tokens, and never by a fetch."""
        return self._verification_keys.known(key_id) if self._verification_keys else None

    async def find(self, key_id: str) -> VerificationKey | None:
        """Return the published key of that id: what is not known here does not exist."""
        return self.known(key_id)

    async def ready(self) -> str | None:
        """Answer None when the keys are loaded, or a sentence: a check for `/readyz`."""
        return None if self._active else "The signing keys are not loaded."

    async def _stored(self) -> list[Row[Any]]:
        async with self._database.reading() as connection:
            found = await connection.execute(_EVERY_KEY)
            return list(found)

    async def _genesis(self, sealing: KeyEncryptionKey) -> list[Row[Any]]:
        # Finding primes takes longer than others should wait for the write lock.
        pair = await asyncio.to_thread(lambda: [_generate(self._bits) for _ in range(2)])
        now = int(self._clock())
        async with self._database.writing(exclusive="signing_keys") as connection:
            any_key = await connection.execute(select(signing_keys.c.kid).limit(1))
            is_first = any_key.first() is None
            if is_first:
                for state, key in zip((KeyState.ACTIVE, KeyState.PENDING), pair, strict=True):
                    jwk = public_jwk(key)
                    row = {
                        "kid": jwk["kid"],
                        "state": state,
                        "state_since": now,
                        "public_jwk": json.dumps(jwk),
                        "sealed_private_key": sealing.seal(_private_bytes(key), label=label(jwk["kid"])),
                    }
                    await connection.execute(insert(signing_keys).values(row))
            stored = list(await connection.execute(_EVERY_KEY))
        if is_first:
            _log.info("first_signing_keys_made", kids=[row.kid for row in stored])
        return stored


# In this order the same set has the same bytes, and so the same entity tag.
_EVERY_KEY = select(signing_keys).order_by(signing_keys.c.state, signing_keys.c.kid)


def public_jwk(key: RSAPrivateKey) -> dict[str, str]:
    """Return the public half as a JWK, its `kid` being its thumbprint. [RFC 7517, RFC 7518 section 6.3.1, RFC 7638]"""
    numbers = key.public_key().public_numbers()
    required = {"e": _base64url_uint(numbers.e), "kty": "RSA", "n": _base64url_uint(numbers.n)}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    kid = _base64url(hashlib.sha256(canonical).digest())
    return {"kty": "RSA", "n": required["n"], "e": required["e"], "kid": kid, "use": "sig", "alg": "RS256"}


def _document(keys: list[dict[str, str]]) -> KeySetDocument:
    body = json.dumps({"keys": keys}, separators=(",", ":")).encode()
    return KeySetDocument(body, entity_tag(body))


def _generate(bits: int) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=bits)


def _private_bytes(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def label(kid: str) -> str:
    """Return the label under which the private key of that id is sealed."""
    # The label says what a sealed thing is, besides whose: a row moved to another place does not open there.
    return f"signing key {kid}"


def _base64url_uint(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
