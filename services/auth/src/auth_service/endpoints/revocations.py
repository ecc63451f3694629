"""The endpoint of the feed, which services ask and wait at. It is not at the door."""

import asyncio
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import Headers

from auth_service.revocation_feed import RevocationFeed
from service_chassis.documentation import refusals

FEED_PATH: Final = "/revocations"

ANSWER_MEDIA_TYPE = "application/jwt"

# RFC 7240 sections 2 and 4.3: wait=10, also quoted, with parameters, and among others. The first one counts.
_WAIT = re.compile(r'(?i)(?:^|,)\s*wait\s*=\s*("?)([0-9]{1,9})\1\s*(?=[;,]|$)')
_CLIENT_HAS_GONE = 499

_HEADERS: dict[str, Any] = {
    "Preference-Applied": {"description": "How long the answer waited at most.", "schema": {"type": "string"}},
    "Cache-Control": {"schema": {"const": "no-store"}},
}


def revocations_router(feed: RevocationFeed, *, longest_wait: int) -> APIRouter:
    """Return the route `GET /revocations`; `longest_wait` is in seconds."""
    router = APIRouter(tags=["revocations"])

    @router.get(
        FEED_PATH,
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
            str, Query(pattern="^(0|[1-9][0-9]{0,17})$", description="The seq up to which all is known; 0: all of it.")
        ],
    ) -> Response:
        """Return what was revoked after a seq, signed. `Prefer: wait=20` lets it wait until there is something."""
        wait = _preferred_wait(request.headers)
        headers = {"Cache-Control": "no-store"}
        if wait is not None:
            wait = min(wait, longest_wait)
            headers["Preference-Applied"] = f"wait={wait}"
        answering = asyncio.create_task(feed.answer(int(after), wait=wait or 0))
        gone = asyncio.create_task(_has_gone(request))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                return Response(status_code=_CLIENT_HAS_GONE)  # nobody gets it, but it is counted
            return Response(answering.result(), headers=headers, media_type=ANSWER_MEDIA_TYPE)
        finally:
            answering.cancel()
            gone.cancel()

    return router


def _preferred_wait(headers: Headers) -> int | None:
    """Return how many seconds the client wants to wait at most; None if it says nothing that can be understood."""
    found = _WAIT.search(", ".join(headers.getlist("prefer")))
    return int(found[2]) if found else None


async def _has_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
