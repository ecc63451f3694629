"""Request bodies: refused before the application sees them when too large, of another type, or too deep."""

import json
import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_chassis.problems import Problem, problem_response

# Strings are skipped whole (the closing quote is optional, so that an open string is passed over once and not once per
# quote in it), and so is all else but the marks that give a document its shape: each match ends at the next of them.
_UP_TO_THE_NEXT_MARK = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{},]?)', re.DOTALL)

FORM: Final = "application/x-www-form-urlencoded"
"""The media type of forms."""


class JsonBodies:
    """ASGI middleware for an application whose every body is a small JSON document, but for a form at some paths.

    `forms` are those paths, exact: OAuth's endpoints take nothing else (RFC 6749, appendix B).

    413 above `max_bytes`, 415 for another media type, 400 for an object that names a member twice, and for bytes that
    are not UTF-8, nested deeper than `max_depth`, or with more brackets and commas than `max_marks`: each member may
    become a fault that is found and put into words, and thousands of them would keep the event loop from everyone else.
    An order of 50 lines has 204 such marks. The body is read whole, never more of it than the cap. [RFC 9110 section
    15.5.14 and 15.5.16]
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int = 65_536,
        max_depth: int = 32,
        max_marks: int = 500,
        media_types: Collection[str] = ("application/json", "application/merge-patch+json"),
        forms: Collection[str] = (),
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._max_marks = max_marks
        self._media_types = frozenset(media_types)
        self._forms = frozenset(forms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read and check the body, then pass the request on with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            body = await self._read(headers, receive)
            if body is None:  # the client has gone
                return
            accepted = frozenset({FORM}) if scope["path"] in self._forms else self._media_types
            self._check(body, headers, scope["method"], accepted)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
            return
        await self._app(scope, replayed(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._max_bytes:
            raise self._too_large()
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
        return bytes(body)

    def _check(self, body: bytes, headers: Headers, method: str, accepted: frozenset[str]) -> None:
        if not body:
            return
        _check_media_type(headers, method, accepted)
        try:
            body.decode()
        except UnicodeDecodeError:
            raise Problem(400, "malformed_body", "The body is not UTF-8.") from None
        if FORM not in accepted:
            self._check_shape(body)
            _check_members(body)

    def _check_shape(self, body: bytes) -> None:
        depth = 0
        for marks, found in enumerate(_UP_TO_THE_NEXT_MARK.finditer(body), 1):
            match found[1]:
                case b"[" | b"{":
                    depth += 1
                case b"]" | b"}":
                    depth -= 1
                case b"":
                    return
            if depth > self._max_depth:
                raise Problem(400, "malformed_body", f"The body is nested deeper than {self._max_depth} levels.")
            if marks > self._max_marks:
                detail = f"The body has more than {self._max_marks} brackets and commas outside of strings."
                raise Problem(400, "malformed_body", detail)

    def _too_large(self) -> Problem:
        return Problem(413, "body_too_large", f"The body is larger than {self._max_bytes} bytes.")


class _RepeatedMemberError(ValueError):
    pass


def _check_members(body: bytes) -> None:
    """Refuse what one reader would understand by the first of two members, and another by the last. [RFC 8259, 4]"""
    try:
        json.loads(body, object_pairs_hook=_unique_members)
    except _RepeatedMemberError:
        raise Problem(400, "malformed_body", "The body names a JSON member twice.") from None
    except ValueError:
        pass  # no JSON at all: whoever wants to read it says so


def _unique_members(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _RepeatedMemberError


# A type and at most a charset, and no more of what a parameter can be: what else is written there is not for us.
_MEDIA_TYPE = re.compile(r'\s*([a-z0-9.+-]+/[a-z0-9.+-]+)\s*(?:;\s*charset="?([a-z0-9-]+)"?\s*)?')


def _check_media_type(headers: Headers, method: str, media_types: frozenset[str]) -> None:
    accepted = ", ".join(sorted(media_types))
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(
            415,
            "unsupported_media_type",
            "The body must not be compressed.",
            headers={"Accept-Encoding": "identity"},
        )
    declared = _MEDIA_TYPE.fullmatch(headers.get("content-type", "").lower())
    if declared is None or declared[1] not in media_types or declared[2] not in {None, "utf-8", "utf8", "us-ascii"}:
        raise Problem(
            415,
            "unsupported_media_type",
            f"The body must be one of {accepted}, in UTF-8.",
            # RFC 5789 section 2.2 and RFC 9110 section 12.5.1
            headers={"Accept-Patch" if method == "PATCH" else "Accept": accepted},
        )


def replayed(body: bytes, receive: Receive, *, more: bool = False) -> Receive:
    """Return a `receive` that gives this body, then what else comes; `more`: that is the rest of the body."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": more}

    return receive_again
