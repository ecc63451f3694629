"""A page of the gateway's own: bytes that are always the same, so that a browser need not ask for them twice."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope, Send

from gateway.security_headers import PAGE, POLICY_NAME
from service_chassis.problems import Problem

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
}

SUFFIXES: Final = frozenset(_MEDIA_TYPES)
"""Endings of the names of files that can be pages."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is sent, and the path it is counted under in the metrics; `more` are further headers."""

    path: str
    media_type: bytes
    body: bytes
    etag: bytes
    more: tuple[tuple[bytes, bytes], ...] = ()


def page(path: str, body: bytes, *, suffix: str, more: Mapping[str, str] | None = None) -> Page:
    """Return the page of these bytes. `suffix` is its file's ending, which says what it is."""
    etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
    fields = tuple((name.lower().encode(), value.encode()) for name, value in (more or {}).items())
    return Page(path, _MEDIA_TYPES[suffix].encode(), body, etag, fields)


def refuse_writing(method: str) -> None:
    """Raise `Problem` (405 method_not_allowed) for any method but GET and HEAD."""
    if method not in {"GET", "HEAD"}:
        raise Problem(405, "method_not_allowed", "This page can only be read.", headers={"Allow": "GET, HEAD"})


async def send_page(shown: Page, scope: Scope, send: Send) -> None:
    """Answer with a page, or with 304 to whoever has it. [RFC 9110 section 13.1.2]"""
    scope["route"] = shown
    known = any(name == b"if-none-match" and shown.etag in value for name, value in scope["headers"])
    headers = [(b"etag", shown.etag), (b"cache-control", b"no-cache"), (POLICY_NAME, PAGE), *shown.more]
    if not known:
        headers += [(b"content-type", shown.media_type), (b"content-length", b"%d" % len(shown.body))]
    await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if known or scope["method"] == "HEAD" else shown.body})


def wants(scope: Scope, media_type: bytes) -> bool:
    """Whether a request names this media type in `Accept`, as only a browser's own navigation does for HTML."""
    return any(media_type in value for value in _values(scope["headers"], b"accept"))


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> Iterable[bytes]:
    return (value for name, value in headers if name == wanted)
