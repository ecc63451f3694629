"""The key set that the world verifies with."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from auth_service.signing_keys.life_cycle import KeyState
from auth_service.signing_keys.storage import StoredKey
from service_chassis.conditional_requests import entity_tag
from token_verification import StaticKeySet

_PUBLISHED = (KeyState.ACTIVE, KeyState.PENDING, KeyState.RETIRING)


@dataclass(frozen=True)
class KeySetDocument:
    """The JWK Set as published: its bytes and its strong entity tag. [RFC 7517 section 5]"""

    body: bytes
    etag: str


@dataclass(frozen=True)
class PublishedKeys:
    """The key set as a document for others, and as keys for the issuer itself."""

    document: KeySetDocument
    verification_keys: StaticKeySet

    @classmethod
    def of(cls, stored: Iterable[StoredKey]) -> "PublishedKeys":
        """Return what is published of these keys: all that may sign, or have signed what may still be good."""
        keys = [json.loads(key.public_jwk) for key in stored if key.record.state in _PUBLISHED]
        body = json.dumps({"keys": keys}, separators=(",", ":")).encode()
        return cls(KeySetDocument(body, entity_tag(body)), StaticKeySet({"keys": keys}))
