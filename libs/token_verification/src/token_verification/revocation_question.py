"""One question to a feed of revocations: bounded in bytes, and its answer believed in nothing."""

import re
from typing import Final

import httpx

from token_verification.errors import shown
from token_verification.revocation_answer import UnusableAnswerError

_MEDIA_TYPE: Final = re.compile(r"application/jwt\s*(?:;|\Z)", re.IGNORECASE)


async def ask(
    http: httpx.AsyncClient, url: str, *, after: int, wait: int, connect_within: float, byte_cap: int
) -> bytes:
    """Ask what there is after a seq, and return the body of the answer; UnusableAnswerError if there is none.

    The issuer answers at once if there is something, and otherwise when `wait` seconds are over (RFC 7240, section
    4.3). It is the caller's to give up on one that does not.
    """
    try:
        return await _ask(http, url, after, wait, connect_within, byte_cap)
    except UnusableAnswerError:
        raise
    except Exception as fault:
        # Whatever a transport raises (a closed client raises RuntimeError), nothing that the network does may end the
        # following.
        raise UnusableAnswerError(f"it failed with {type(fault).__name__}") from fault


async def _ask(  # noqa: PLR0917 -- its caller's arguments
    http: httpx.AsyncClient, url: str, after: int, wait: int, connect_within: float, byte_cap: int
) -> bytes:
    # Identity, because a few compressed bytes can become as many as they like.
    headers = {"accept": "application/jwt", "accept-encoding": "identity", "prefer": f"wait={wait}"}
    timeout = httpx.Timeout(None, connect=connect_within)
    async with http.stream(
        "GET", url, params={"after": after}, headers=headers, follow_redirects=False, timeout=timeout
    ) as response:
        if response.status_code != 200:
            raise UnusableAnswerError(f"the answer was {response.status_code}")
        if not _MEDIA_TYPE.match(media_type := response.headers.get("content-type", "of no type")):
            raise UnusableAnswerError(f"the answer was {shown(media_type)}, not application/jwt")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnusableAnswerError("the answer was compressed")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > byte_cap:
                raise UnusableAnswerError(f"the answer was larger than {byte_cap} bytes")
        return bytes(body)
