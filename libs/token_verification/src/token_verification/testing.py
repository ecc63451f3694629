"""An issuer for tests: signs tokens, publishes its key set, and misbehaves on demand."""

import asyncio
import functools
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Literal

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from token_verification.compact_jws import base64url_encoded
from token_verification.fake_key_set_endpoint import FakeKeySetEndpoint
from token_verification.fake_revocation_endpoint import FakeRevocationEndpoint
from token_verification.key_set import StaticKeySet, VerificationKey, thumbprint
from token_verification.revocation_answer import Kind

Behaviour = Literal[
    "well",
    "down",
    "error",
    "hang",
    "drip",
    "garbage",
    "html",
    "array",
    "huge",
    "redirect",
    "compressed",
    "empty",
    "private_members",
    "weak_key",
    "encryption_key",
    "twice_the_same_kid",
]


@functools.cache
def _private_key(owner: str, bits: int, number: int) -> RSAPrivateKey:  # noqa: ARG001 -- owner and number are the cache's
    """Make a key once per process: making one takes a tenth of a second, verifying with it nothing."""
    return generate_private_key(65537, bits)


class FakeIssuer:
    """Signs what a real issuer would, and on demand what it never would.

    `behaviour` says how its key set endpoint answers, and `feed.behaviour` how its feed of revocations does; set them
    at any time. `requests` and `feed.requests` count what was asked. `transport` serves both endpoints to an
    `httpx.AsyncClient`, `asgi` to a real server. Two issuers of one name have the
    same keys, and of two names different ones.
    """

    def __init__(
        self,
        issuer: str = "https://issuer.test",
        *,
        audience: str = "urn:test:api",
        bits: Literal[2048, 3072] = 2048,
        max_age: int | None = 300,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`audience`: whom its tokens are for unless told otherwise. `max_age`: of its key set, in seconds.

        `clock`: seconds since the epoch; `sleep` waits while its feed has nothing to tell.
        """
        self.issuer = issuer
        self.audience = audience
        self.jwks_uri = f"{issuer}/.well-known/jwks.json"
        self.feed_uri = f"{issuer}{FakeRevocationEndpoint.path}"
        self.clock = clock
        self.behaviour: Behaviour = "well"
        self._bits = bits
        self._keys_made = 0
        self._published: list[VerificationKey] = []
        self.rotate()
        self.feed = FakeRevocationEndpoint(self, sleep=sleep)
        self._endpoint = FakeKeySetEndpoint(self, max_age, self.feed)

    def rotate(self, *, publish: bool = True) -> str:
        """Sign with a new key from now on, and return its key id. The earlier ones stay published until `retire`."""
        self.private_key = _private_key(self.issuer, self._bits, self._keys_made)
        self._keys_made += 1
        self.key_id = key_id_of(self.private_key.public_key())
        if publish:
            self.publish()
        return self.key_id

    def publish(self) -> None:
        """Add the present key to the key set."""
        self._published.append(VerificationKey(self.key_id, self.private_key.public_key()))

    def retire(self, key_id: str) -> None:
        """Take a key out of the key set."""
        self._published = [key for key in self._published if key.key_id != key_id]

    def revoke(self, *, sid: str | None = None, jti: str | None = None, kid: str | None = None) -> int:
        """Put a login, a token or a key on the feed, and return its seq; ValueError unless exactly one is named.

        A revoked key still signs and stays published until `rotate` and `retire`: what an issuer does first is the
        test's to say.
        """
        ids: list[tuple[Kind, str | None]] = [("sid", sid), ("jti", jti), ("kid", kid)]
        named = [(kind, id_) for kind, id_ in ids if id_ is not None]
        if len(named) != 1:
            raise ValueError("name one sid, jti or kid")
        return self.feed.append(*named[0])

    @property
    def jwk_set(self) -> dict[str, Any]:
        """Its key set, as it publishes it when it behaves well."""
        return {"keys": [key.jwk for key in self._published]}

    @property
    def key_set(self) -> StaticKeySet:
        """The keys it publishes now, for a verifier that needs no HTTP."""
        return StaticKeySet(self.jwk_set)

    @property
    def requests(self) -> int:
        """How many requests its key set endpoint has seen."""
        return self._endpoint.requests

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """For `httpx.AsyncClient(transport=…)`."""
        return self._endpoint.transport

    @property
    def asgi(self) -> FakeKeySetEndpoint:
        """Its endpoints as an ASGI application."""
        return self._endpoint

    def claims(self, *, omit: Collection[str] = (), expires_in: int = 300, **claims: object) -> dict[str, object]:
        """Return what a good token says, with `claims` in place of its own, and without those in `omit`."""
        now = int(self.clock())
        issued = now if expires_in > 0 else now + expires_in - 300  # one that has expired was good once
        good: dict[str, object] = {
            "iss": self.issuer,
            "sub": "subject-1",
            "aud": self.audience,
            "client_id": "test-client",
            "iat": issued,
            "exp": now + expires_in,
            "jti": uuid.uuid4().hex,
            "sid": "login-1",
            "auth_time": issued,
            "scope": "read",
        }
        return {name: value for name, value in (good | claims).items() if name not in omit}

    def header(self, **members: object) -> dict[str, object]:
        """Return the header of a good token, with `members` in place of or besides its own."""
        return {"alg": "RS256", "typ": "at+jwt", "kid": self.key_id} | members

    def token(
        self,
        *,
        header: Mapping[str, object] | None = None,
        omit: Collection[str] = (),
        expires_in: int = 300,
        **claims: object,
    ) -> str:
        """Sign a token: a good one, unless the arguments (see `claims` and `header`) make it a bad one."""
        return self.sign(
            json_bytes(self.header(**(header or {}))),
            json_bytes(self.claims(omit=omit, expires_in=expires_in, **claims)),
        )

    def sign(self, header: bytes, payload: bytes, *, key: RSAPrivateKey | None = None) -> str:
        """Sign any header and payload whatever, by RS256, with the present key unless another is given."""
        signed = base64url_encoded(header) + b"." + base64url_encoded(payload)
        signature = (key or self.private_key).sign(signed, PKCS1v15(), SHA256())
        return (signed + b"." + base64url_encoded(signature)).decode("ascii")

    def attackers_key(self) -> RSAPrivateKey:
        """Return a key that this issuer never had."""
        return _private_key(f"attacker of {self.issuer}", self._bits, 0)


class FakeClock:
    """A clock that stands still until it is told to go on: pass it as `clock`, and its `sleep` as `sleep`."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        """Every pause that was asked for, in seconds."""
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was told to go on for that long."""
        self.slept.append(seconds)
        sleeper = (self.now + seconds, asyncio.Event())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers.remove(sleeper)

    async def advance(self, seconds: float) -> None:
        """Go on, and wake who sleeps, each at its moment and one after the other."""
        end = self.now + seconds
        await self.settle()
        while due := sorted((sleeper for sleeper in self._sleepers if sleeper[0] <= end), key=lambda one: one[0]):
            self.now, event = due[0]
            event.set()
            await self.settle()
        self.now = end

    @staticmethod
    async def settle() -> None:
        """Let every task run until it waits for something."""
        for _ in range(100):
            await asyncio.sleep(0)


def json_bytes(members: Mapping[str, object]) -> bytes:
    """Write JSON as issuers do: compact and in UTF-8."""
    return json.dumps(members, separators=(",", ":")).encode("utf-8")


def key_id_of(key: RSAPublicKey) -> str:
    """Return the RFC 7638 thumbprint of a key."""
    return thumbprint(key)
