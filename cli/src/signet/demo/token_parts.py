"""A token, a key, taken apart to be looked at. Nothing here verifies anything: to decode is not to trust."""

import base64
import hashlib
import json
from typing import Any, NamedTuple

from signet.demo.telling import NotAsToldError


class TokenParts(NamedTuple):
    """What anyone can read in a token without any key."""

    header: dict[str, Any]
    payload: dict[str, Any]
    signature: str


def taken_apart(token: str) -> TokenParts:
    """Decode the parts of a JWT (RFC 7519, section 3). Raises NotAsToldError when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        raise NotAsToldError("There is no token of three parts to take apart.")
    try:
        header, payload = (json.loads(decoded(part)) for part in parts[:2])
    except ValueError:
        raise NotAsToldError("The token's parts are not base64url of JSON.") from None
    return TokenParts(header, payload, parts[2])


def put_together(parts: TokenParts) -> str:
    """Encode a header and a payload as anyone can, and add a signature that need not fit."""
    return (
        f"{encoded(json.dumps(parts.header).encode())}.{encoded(json.dumps(parts.payload).encode())}.{parts.signature}"
    )


def decoded(text: str) -> bytes:
    """Decode base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(raw: bytes) -> str:
    """Encode as base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def thumbprint(key: dict[str, Any]) -> str:
    """Return the thumbprint of an RSA key (RFC 7638, section 3): the hash of its required members, in order."""
    members = {name: key.get(name) for name in ("e", "kty", "n")}
    return encoded(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())
