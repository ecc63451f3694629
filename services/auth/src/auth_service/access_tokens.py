"""Access tokens, as this issuer makes them. [RFC 9068]"""

import asyncio
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jwt

from auth_service.signing_keys import SigningKey, SigningKeys
from token_verification import AccessToken

FIRST_PARTY_CLIENT = "signet"
"""The `client_id` of whoever logs in with a password."""


@dataclass(frozen=True)
class IssuedToken:
    """A signed token and what its holder is told about it; `expires_in` is in seconds."""

    access_token: str
    expires_in: int
    scope: str


class AccessTokens:
    """Issues access tokens with the active key. Raises StorageUnavailable, KeysUnavailable when that is not known."""

    def __init__(self, signing_keys: SigningKeys, *, issuer: str, life: int, clock: Callable[[], float]) -> None:
        self._signing_keys = signing_keys
        self._issuer = issuer
        self._life = life
        self._clock = clock

    async def issue(
        self,
        *,
        sub: str,
        name: str,
        sid: str,
        audience: Sequence[str],
        scopes: Sequence[str],
        auth_time: int,
        login_ends_at: float,
    ) -> IssuedToken:
        """Sign a token for a login that began with a password at `auth_time`, and not beyond its end, which is to come.

        [RFC 9068 section 2]
        """
        now = int(self._clock())
        return await self._sign(
            {
                "sub": sub,
                "aud": list(audience),
                "client_id": FIRST_PARTY_CLIENT,
                "sid": sid,
                "auth_time": auth_time,
                "scope": " ".join(scopes),
                "name": name,
            },
            now=now,
            ends_at=min(now + self._life, math.ceil(login_ends_at)),
        )

    async def exchange(
        self, subject: AccessToken, *, client_id: str, resource: str, scopes: Sequence[str], now: int
    ) -> IssuedToken:
        """Sign a token that a service uses for the subject of another token: same login, no longer life.

        The client that gets it is also the current actor. The name stays behind: whoever is asked on somebody's behalf
        has nobody to greet. `now` lies before the other token's end. [RFC 8693 section 4.1, RFC 9068 section 2.2]
        """
        return await self._sign(
            {
                "sub": subject.subject,
                "aud": [resource],
                "client_id": client_id,
                "sid": subject.login_id,
                "auth_time": subject.auth_time,
                "scope": " ".join(scopes),
                "act": {"sub": client_id},
            },
            now=now,
            ends_at=min(now + self._life, subject.expires_at),
        )

    async def _sign(self, claims: Mapping[str, object], *, now: int, ends_at: int) -> IssuedToken:
        token = {"iss": self._issuer, "iat": now, "exp": ends_at, "jti": secrets.token_hex(16), **claims}
        key = await self._signing_keys.signer()
        # It takes a thread 0.6 ms: longer than the event loop should be held up.
        return IssuedToken(await asyncio.to_thread(_signed, token, key), ends_at - now, str(claims["scope"]))


def _signed(claims: Mapping[str, object], key: SigningKey) -> str:
    return jwt.encode(dict(claims), key.private_key, algorithm="RS256", headers={"typ": "at+jwt", "kid": key.kid})
