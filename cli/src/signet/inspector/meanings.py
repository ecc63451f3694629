"""What the members of a header and the claims of a token mean, for people, and where that is written."""

from collections.abc import Mapping
from typing import Final

HEADER: Final[Mapping[str, str]] = {
    "alg": "the algorithm of its signature (RFC 7515, 4.1.1)",
    "typ": "what kind of token it is; an access token is at+jwt (RFC 9068)",
    "kid": "the id of the key that signed it, in the issuer's key set",
    "cty": "the type of its content; JWT means a token inside this one",
    "crit": "extensions that a verifier must know or refuse (RFC 7515, 4.1.11)",
    "jku": "a URL of keys. Whoever follows it lets the token choose who vouches for it",
    "jwk": "a key. Whoever believes it lets the token vouch for itself",
    "x5u": "a URL of certificates. Whoever follows it lets the token choose who vouches for it",
    "x5c": "certificates. Whoever believes them unchecked lets the token vouch for itself",
    "x5t": "the SHA-1 thumbprint of a certificate of its key",
    "x5t#S256": "the SHA-256 thumbprint of a certificate of its key",
    "b64": "whether its payload is base64url (RFC 7797)",
    "zip": "how its content is compressed; only in encrypted tokens",
    "enc": "how its content is encrypted; only in encrypted tokens",
    "epk": "an ephemeral public key; only in encrypted tokens",
    "p2c": "how often a password is hashed; only in encrypted tokens",
    "nonce": "a value that some issuers hash before they sign; their tokens are for themselves",
}

ALGORITHMS: Final[Mapping[str, str]] = {
    "RS256": "RSA PKCS#1 v1.5 with SHA-256: the issuer signs, everyone can verify",
    "RS384": "RSA PKCS#1 v1.5 with SHA-384",
    "RS512": "RSA PKCS#1 v1.5 with SHA-512",
    "PS256": "RSA PSS with SHA-256",
    "PS384": "RSA PSS with SHA-384",
    "PS512": "RSA PSS with SHA-512",
    "ES256": "ECDSA on P-256 with SHA-256",
    "ES384": "ECDSA on P-384 with SHA-384",
    "ES512": "ECDSA on P-521 with SHA-512",
    "EdDSA": "an Edwards curve, mostly Ed25519",
    "Ed25519": "Ed25519",
    "HS256": "HMAC with SHA-256: whoever can verify it can also forge it",
    "HS384": "HMAC with SHA-384: whoever can verify it can also forge it",
    "HS512": "HMAC with SHA-512: whoever can verify it can also forge it",
    "none": "no signature at all: anyone can have written this",
}

TYPES: Final[Mapping[str, str]] = {
    "at+jwt": "an access token (RFC 9068)",
    "jwt": "some JWT: nothing says that it is an access token",
    "id_token+jwt": "an ID token: it tells a client who logged in, and opens nothing",
    "logout+jwt": "a logout token (OpenID Connect Back-Channel Logout)",
    "dpop+jwt": "a DPoP proof (RFC 9449)",
    "secevent+jwt": "a security event (RFC 8417)",
    "client-authentication+jwt": "a client's proof of who it is (RFC 7523)",
    "revocations+jwt": "an answer of Signet's revocation feed",
}

CLAIMS: Final[Mapping[str, str]] = {
    "iss": "issuer: who signed it",
    "sub": "subject: whom it is about; opaque",
    "aud": "audience: the resource servers it is for",
    "client_id": "the client it was issued to",
    "iat": "issued at",
    "nbf": "not before",
    "exp": "expires at: from then on it is refused",
    "jti": "this token's own id",
    "sid": "the login it belongs to",
    "auth_time": "when the subject proved who they are",
    "scope": "what it allows, one word each",
    "name": "how to greet the subject",
    "act": "who acts for the subject (RFC 8693); within it, who did before",
    "may_act": "who may act for the subject (RFC 8693)",
    "cnf": "the key its holder has to prove (RFC 7800)",
    "azp": "the client it was issued to, in OpenID Connect's words",
    "cid": "the client it was issued to, in some issuers' words",
    "appid": "the client it was issued to, in some issuers' words",
    "nonce": "ties an ID token to the login that asked for it",
    "at_hash": "ties an ID token to an access token",
    "acr": "how strongly the subject was authenticated",
    "amr": "by which means the subject was authenticated",
    "scp": "what it allows, in some issuers' words; Signet reads scope",
    "roles": "roles of the subject, in the issuer's own terms",
    "groups": "groups of the subject, in the issuer's own terms",
    "permissions": "what it allows, in the issuer's own terms",
    "authorization_details": "what it allows, in detail (RFC 9396)",
    "email": "personal data, readable for everyone who sees the token",
    "email_verified": "whether the issuer has checked the e-mail address",
    "phone_number": "personal data, readable for everyone who sees the token",
    "preferred_username": "personal data, readable for everyone who sees the token",
    "given_name": "personal data, readable for everyone who sees the token",
    "family_name": "personal data, readable for everyone who sees the token",
    "picture": "personal data, readable for everyone who sees the token",
    "upn": "personal data, readable for everyone who sees the token",
    "tid": "the tenant, in some issuers' words",
    "oid": "the subject's id in its tenant, in some issuers' words",
    "ver": "the version of the issuer's own format",
    "typ": "what kind of token it is, where nobody has to look",
}

UNKNOWN_HEADER: Final = "not known here, and therefore refused"
UNKNOWN_CLAIM: Final = "not known here, and ignored"


def of_header(name: str, value: object) -> str:
    """Say what a member of the header means, and what this value of it does."""
    meaning = HEADER.get(name, UNKNOWN_HEADER)
    if isinstance(value, str):
        if name == "alg":
            return ALGORITHMS.get(value, "an algorithm that is not known here")
        if name == "typ":
            return TYPES.get(value.lower().removeprefix("application/"), meaning)
    return meaning


def of_claim(name: str) -> str:
    """Say what a claim means."""
    return CLAIMS.get(name, UNKNOWN_CLAIM)
