"""Requests with a condition: "only if it has changed" and "only if it has not". [RFC 9110 section 13]"""

import base64
import hashlib
import re

from starlette.datastructures import Headers

from service_chassis.problems import Problem

_ENTITY_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def entity_tag(body: bytes) -> str:
    """Return the strong entity tag of a representation: the same bytes have the same tag, other bytes another."""
    return f'"{base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:18]).decode()}"'


def is_unchanged(headers: Headers, tag: str) -> bool:
    """Tell whether the client already has this representation, so that 304 is the answer. [RFC 9110 section 13.1.2]"""
    named = _field(headers, "if-none-match")
    return named == "*" or tag in (opaque for _, opaque in _ENTITY_TAG.findall(named))


def require_match(headers: Headers, tag: str) -> None:
    """Let a write pass only if the client names the representation that it changes, or says `*`: whichever it is.

    Raises Problem: 428 without `If-Match` (RFC 6585 section 3), 412 when it names others (RFC 9110 section 13.1.1, by
    the strong comparison: a weak tag never matches).
    """
    if "if-match" not in headers:
        raise Problem(
            428,
            "precondition_required",
            "A write needs If-Match with the ETag of what it changes, lest one be lost.",
        )
    named = _field(headers, "if-match")
    if named != "*" and tag not in (opaque for weak, opaque in _ENTITY_TAG.findall(named) if not weak):
        raise lost_update()


def lost_update() -> Problem:
    """Return the refusal of a write on something that has changed since it was read."""
    return Problem(412, "precondition_failed", "It has changed since that ETag. Read it again, then repeat the change.")


def matches_anything(headers: Headers) -> bool:
    """Tell whether the condition is `If-Match: *`: whatever the representation is by now."""
    return _field(headers, "if-match") == "*"


def _field(headers: Headers, name: str) -> str:
    return ", ".join(headers.getlist(name)).strip()
