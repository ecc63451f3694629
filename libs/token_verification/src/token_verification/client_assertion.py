"""A service proves to the issuer which client it is: private_key_jwt (RFC 7523, section 3), from both sides.

key = ClientKey.make()
assertions = ClientAssertions("orders", key, issuer="https://id.example")
assertion = assertions.new()
"""

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from token_verification.claims import fault_in
from token_verification.compact_jws import CompactJws, base64url_encoded, json_object, split_compact_jws
from token_verification.errors import shown
from token_verification.key_set import KEY_ID_LIMIT, KeySet, VerificationKey, thumbprint
from token_verification.verifier import SIZE_LIMIT

TYPE: Final = "client-authentication+jwt"
"""`typ` of the header: an assertion passes for no access token, nor the other way round (RFC 8725, section 3.11)."""

LONGEST_LIFE: Final = 60
"""Seconds between `iat` and `exp`. Whoever verifies has to remember a `jti` for that long."""

_HEADER_MEMBERS = frozenset({"alg", "typ", "kid"})
_REQUIRED = ("iss", "sub", "aud", "iat", "exp", "jti")


class ClientKey:
    """The private key of a client. It says its public half and signs; nothing prints or logs the rest."""

    def __init__(self, private_key: RSAPrivateKey) -> None:
        self._private_key = private_key
        public_key = private_key.public_key()
        self.key_id = thumbprint(public_key)
        """Its RFC 7638 thumbprint."""
        self._public = VerificationKey(self.key_id, public_key)

    @classmethod
    def make(cls, bits: Literal[2048, 3072] = 3072) -> Self:
        """Make a new key. It takes a thread tenths of a second."""
        return cls(generate_private_key(65537, bits))

    @classmethod
    def from_bytes(cls, serialised: bytes) -> Self:
        """Return the key that `to_bytes` wrote. ValueError if it is none."""
        try:
            private_key = load_der_private_key(serialised, password=None)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            private_key = None
        if not isinstance(private_key, RSAPrivateKey):
            raise ValueError("this is not a private RSA key in PKCS #8")  # noqa: TRY004 -- the bytes are wrong, not their type
        return cls(private_key)

    def to_bytes(self) -> bytes:
        """Return the private key in PKCS #8 DER, unencrypted: to be sealed before it is stored anywhere."""
        return self._private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def jwk(self) -> dict[str, str]:
        """The public half as a JWK (RFC 7517), with exactly the members `kty n e kid use alg`."""
        return self._public.jwk

    def sign(self, signed: bytes) -> bytes:
        """Return an RS256 signature (RFC 7518, section 3.3). It takes a thread about a millisecond."""
        return self._private_key.sign(signed, PKCS1v15(), SHA256())


class ClientAssertions:
    """Makes the assertions by which one client proves itself to one issuer."""

    def __init__(
        self,
        client_id: str,
        key: ClientKey,
        *,
        issuer: str,
        life: int = LONGEST_LIFE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`life`: of each assertion, in whole seconds. `clock`: seconds since the epoch."""
        self.client_id = client_id
        self._key = key
        self._issuer = issuer
        self._life = life
        self._clock = clock

    def new(self) -> str:
        """Return a new assertion, to be used once: its `jti` is accepted no second time. Signing is no work for a loop.

        Its audience is the issuer's identifier and nothing else: with a token endpoint's URL there, as RFC 7523 also
        allows, a server that is asked by mistake could use the assertion at the one it was meant for.
        """
        now = int(self._clock())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self._issuer,
            "iat": now,
            "exp": now + self._life,
            "jti": secrets.token_urlsafe(16),
        }
        header = {"alg": "RS256", "typ": TYPE, "kid": self._key.key_id}
        signed = b".".join(base64url_encoded(json.dumps(part).encode("utf-8")) for part in (header, claims))
        return (signed + b"." + base64url_encoded(self._key.sign(signed))).decode("ascii")


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """What a verified assertion says. That its `jti` was not used before is for whoever verified it to find out."""

    client_id: str
    assertion_id: str
    """`jti`."""
    expires_at: int
    """`exp`, in seconds since the epoch."""


class InvalidAssertion(Exception):  # noqa: N818 -- named for what happened, as the errors of access tokens are
    """The assertion proves nothing. `reason`: stable, for logs. `detail`: one sentence that never holds the assertion.

    Whoever sent it is told neither: which check failed would tell a forger how far he got.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = shown(detail, 300)
        super().__init__(f"{self.reason}: {self.detail}")


class ClientAssertionVerifier:
    """Decides whether an assertion proves a client (RFC 7523, section 3, under the rules of RFC 8725)."""

    def __init__(
        self,
        *,
        issuer: str,
        keys_of: Callable[[str], Awaitable[KeySet | None]],
        leeway: float = 5.0,
        max_life: float = LONGEST_LIFE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Accept assertions that are meant for one issuer.

        `keys_of`: gives the key set of a client, None if there is no such client. `leeway`, `max_life`: as of
        AccessTokenVerifier, in seconds.
        """
        self._issuer = issuer
        self._keys_of = keys_of
        self._leeway = leeway
        self._max_life = max_life
        self._clock = clock

    async def verify(self, assertion: str) -> ClientAssertion:
        """Return what the assertion says, once every check has passed.

        Raises InvalidAssertion, or KeysUnavailable when the client's keys are not to be had; no input makes it raise
        anything else. Before the signature is verified, the payload is believed in nothing: it names a client, and all
        that this can do is choose among the key sets that are known here.
        """
        # 1. It is one canonical JWS of at most 8 KiB.
        jws, header, claims = _parts_of(assertion)
        # 2. Its header names RS256, its type and a key, and nothing else; it has its claims, each in its form.
        _check_header(header)
        _check_forms(claims)
        # 3. It speaks of the client that speaks, and that client is known.
        client_id = claims["iss"]
        if claims["sub"] != client_id:
            raise InvalidAssertion("wrong_subject", "Its iss and its sub are not the same client.")
        key_set = await self._keys_of(client_id)
        if key_set is None:
            raise InvalidAssertion("unknown_client", f"There is no client {shown(client_id)}.")
        # 4. It is signed with a key that this client has published.
        key = key_set.known(header["kid"]) or await key_set.find(header["kid"])
        if key is None:
            raise InvalidAssertion("unknown_kid", f"{client_id} has published no key {shown(header['kid'])}.")
        if not key.verifies(jws.signature, jws.signed):
            raise InvalidAssertion("bad_signature", f"The signature is not that of key {shown(key.key_id)}.")
        # 5. It is meant for this issuer, for no one else, and for now.
        if claims["aud"] not in (self._issuer, [self._issuer]):
            raise InvalidAssertion("wrong_audience", f"It is not for {self._issuer} alone.")
        self._check_times(claims)
        return ClientAssertion(client_id, claims["jti"], claims["exp"])

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        life = claims["exp"] - claims["iat"]
        if not 0 < life <= self._max_life:
            raise InvalidAssertion("life_too_long", f"It lives {life} s, not 1 to {self._max_life:g} s.")
        if max(claims["iat"], claims.get("nbf", 0)) - now > self._leeway:
            raise InvalidAssertion("not_yet_valid", "It is from the future.")
        if now - claims["exp"] >= self._leeway:
            raise InvalidAssertion("expired", "It has ended.")


def _parts_of(assertion: str) -> tuple[CompactJws, dict[str, Any], dict[str, Any]]:
    if len(assertion) > SIZE_LIMIT:
        raise InvalidAssertion("malformed", f"It has {len(assertion)} characters, more than {SIZE_LIMIT}.")
    try:
        jws = split_compact_jws(assertion)
        return jws, json_object(jws.header), json_object(jws.payload)
    except ValueError as fault:
        raise InvalidAssertion("malformed", f"It cannot be read: {fault}.") from None


def _check_header(header: dict[str, Any]) -> None:
    if header.get("alg") != "RS256":
        raise InvalidAssertion("unsupported_algorithm", f"Its algorithm is {shown(header.get('alg'))}, not RS256.")
    if header.get("typ") != TYPE:
        raise InvalidAssertion("wrong_type", f"Its type is {shown(header.get('typ'))}, not {TYPE}.")
    if others := sorted(header.keys() - _HEADER_MEMBERS):
        raise InvalidAssertion("malformed", f"Its header has {shown(others[0])}, which is not accepted.")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_LIMIT:
        raise InvalidAssertion("malformed", f"Its header has no kid of 1 to {KEY_ID_LIMIT} characters.")


def _check_forms(claims: dict[str, Any]) -> None:
    for name in _REQUIRED:
        if name not in claims:
            raise InvalidAssertion("missing_claim", f"It has no claim {name}.")
    if fault := fault_in(claims):
        raise InvalidAssertion("malformed", fault)
