"""What a signed token is made of (RFC 7515, section 7.1), read so that each token has exactly one spelling."""

import base64
import binascii
import json
from typing import Any, NamedTuple, NoReturn


class CompactJws(NamedTuple):
    """The parts of a compact JWS, decoded from base64url and otherwise unread. Nothing in here is to be believed."""

    header: bytes
    payload: bytes
    signature: bytes
    signed: bytes
    """What the signature is over: the first two parts as they came (RFC 7515, section 5.2)."""


def split_compact_jws(token: str) -> CompactJws:
    """Take a compact JWS apart; ValueError, with a sentence's end, unless it is three canonical base64url parts."""
    if not token.isascii():
        raise ValueError("it has characters that are not ASCII")
    parts = token.encode("ascii").split(b".")
    if len(parts) != 3:
        raise ValueError(f"it has {len(parts)} parts instead of three")
    if not all(parts):
        raise ValueError("one of its parts is empty")
    header, payload, signature = (base64url_decoded(part) for part in parts)
    return CompactJws(header, payload, signature, parts[0] + b"." + parts[1])


def base64url_decoded(text: bytes) -> bytes:
    """Decode base64url without padding (RFC 7515, section 2); ValueError unless it is spelt the one canonical way.

    Encoding again and comparing is the whole check: padding, white space, another alphabet and stray bits in the last
    character all fail it.
    """
    try:
        decoded = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        decoded = None
    if decoded is None or base64url_encoded(decoded) != text:
        raise ValueError("it is not canonical base64url without padding")
    return decoded


def base64url_encoded(raw: bytes) -> bytes:
    """Encode as base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def json_object(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object in UTF-8; ValueError, with a sentence's end, if two parsers could read it differently.

    Refused besides what is no JSON at all: another encoding, a byte order mark, a member named twice at any depth
    (RFC 7515, section 4), NaN and Infinity, lone surrogates (they could not be written out again), and nesting or
    digits beyond what the interpreter takes.
    """
    try:
        text = raw.decode("utf-8")
        parsed = json.loads(text, object_pairs_hook=_unique_members, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except _RepeatedMemberError:
        raise
    except (ValueError, RecursionError):
        # json's own message quotes what it read; the cause is dropped so that no part of a token reaches a log.
        raise ValueError("it is not valid JSON in UTF-8") from None
    if not isinstance(parsed, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 -- what was read is wrong, not the caller
    return parsed


class _RepeatedMemberError(ValueError):
    pass


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RepeatedMemberError("it names a JSON member twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
