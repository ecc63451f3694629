"""The endpoint of the feed, which services ask and wait at. It is not at the door.

A thousand followers are let go at the same moment, and ask again at the same moment: what it costs to take one of their
questions, the last of them waits for a thousand times. So a question that is spelt as followers spell it is answered
before FastAPI sees it, which would take several times as long as all the rest; any other takes the usual way, to the
same answer or to its refusal, and the usual way is what the OpenAPI document describes.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request, Response
from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from auth_service.revocation_feed import RevocationFeed
from service_chassis.documentation import refusals
from token_verification.revocation_answer import LAST_SEQ

FEED_PATH: Final = "/revocations"

ANSWER_MEDIA_TYPE = "application/jwt"

_SEQ: Final = "0|[1-9][0-9]{0,18}"
_QUESTION: Final = re.compile(f"after=({_SEQ})".encode())

# RFC 7240 sections 2 and 4.3: wait=10, also quoted, with parameters, and among others. The first one counts.
_WAIT = re.compile(r'(?i)(?:^|,)\s*wait\s*=\s*("?)([0-9]{1,9})\1\s*(?=[;,]|$)')
_CLIENT_HAS_GONE = 499

_HEADERS: dict[str, Any] = {
    "Preference-Applied": {"description": "How long the answer waited at most.", "schema": {"type": "string"}},
    "Cache-Control": {"schema": {"const": "no-store"}},
}


def _in_range(seq: str) -> str:
    if int(seq) > LAST_SEQ:
        raise ValueError("no seq is as large as this")
    return seq


def serve_feed(app: FastAPI, feed: RevocationFeed, *, longest_wait: int) -> None:
    """Add the route `GET /revocations`, and the short way to it; `longest_wait` is in seconds.

    Call it after verification was added, and before what counts and traces every request.
    """
    app.add_middleware(_AnswerFollowers, feed=feed, longest_wait=longest_wait)

    @app.get(
        FEED_PATH,
        tags=["revocations"],
        response_class=Response,
        responses={
            200: {
                "description": "A JWS in compact form.",
                "content": {ANSWER_MEDIA_TYPE: {}},
                "headers": _HEADERS,
            },
            **refusals(422, 503),
        },
    )
    async def revocations(
        request: Request,
        after: Annotated[
            str,
            Query(pattern=f"^({_SEQ})$", description="The seq up to which all is known; 0: all of it."),
            AfterValidator(_in_range),
        ],
    ) -> Response:
        """Return what was revoked after a seq, signed. `Prefer: wait=20` lets it wait until there is something."""
        return await _answer(feed, int(after), request.headers.getlist("prefer"), longest_wait, request.receive)


class _AnswerFollowers:
    """ASGI middleware: the short way to the same answer."""

    def __init__(self, app: ASGIApp, *, feed: RevocationFeed, longest_wait: int) -> None:
        self._app = app
        self._feed = feed
        self._longest_wait = longest_wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a follower; pass on whatever is not spelt as followers spell it."""
        question = _question_of(scope)
        if question is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _FEED_ROUTE
        prefer = [value.decode("latin-1") for name, value in scope["headers"] if name == b"prefer"]
        response = await _answer(self._feed, question, prefer, self._longest_wait, receive)
        await response(scope, receive, send)


@dataclass(frozen=True)
class _Route:
    path: str


_FEED_ROUTE: Final = _Route(FEED_PATH)
"""What the counting of requests calls this."""


def _question_of(scope: Scope) -> int | None:
    if scope["type"] != "http" or scope["path"] != FEED_PATH or scope["method"] != "GET":
        return None
    spelt = _QUESTION.fullmatch(scope["query_string"])
    return int(spelt[1]) if spelt and int(spelt[1]) <= LAST_SEQ else None


async def _answer(
    feed: RevocationFeed, after: int, prefer: Sequence[str], longest_wait: int, receive: Receive
) -> Response:
    wait = _preferred_wait(prefer)
    headers = {"Cache-Control": "no-store"}
    if wait is not None:
        wait = min(wait, longest_wait)
        headers["Preference-Applied"] = f"wait={wait}"
    answering = asyncio.create_task(feed.answer(after, wait=wait or 0))
    gone = asyncio.create_task(_has_gone(receive))
    try:
        await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            return Response(status_code=_CLIENT_HAS_GONE)  # nobody gets it, but it is counted
        return Response(answering.result(), headers=headers, media_type=ANSWER_MEDIA_TYPE)
    finally:
        answering.cancel()
        gone.cancel()


def _preferred_wait(prefer: Sequence[str]) -> int | None:
    """Return how many seconds the client wants to wait at most; None if it says nothing that can be understood."""
    found = _WAIT.search(", ".join(prefer))
    return int(found[2]) if found else None


async def _has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
