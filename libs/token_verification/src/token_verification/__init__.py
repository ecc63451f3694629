"""Verifies RS256 access tokens (RFC 9068) at a resource server, by itself.

key_set = RemoteKeySet("http://auth:8000/.well-known/jwks.json", issuer="https://id.example", http=client)
verifier = AccessTokenVerifier(issuer="https://id.example", audience="urn:example:orders", key_set=key_set)
caller = await verifier.verify(token)
"""

from token_verification.access_token import AccessToken
from token_verification.errors import InvalidToken, KeysUnavailable, RevocationsUnavailable, VerificationError
from token_verification.key_set import StaticKeySet
from token_verification.remote_key_set import RemoteKeySet
from token_verification.revocation_feed import RevocationFeed
from token_verification.verifier import AccessTokenVerifier

__all__ = [
    "AccessToken",
    "AccessTokenVerifier",
    "InvalidToken",
    "KeysUnavailable",
    "RemoteKeySet",
    "RevocationFeed",
    "RevocationsUnavailable",
    "StaticKeySet",
    "VerificationError",
]
