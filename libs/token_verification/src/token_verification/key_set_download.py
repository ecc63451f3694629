"""One fetch of a JWK Set: bounded in time and bytes, and trusted with nothing."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import httpx

from token_verification.compact_jws import json_object
from token_verification.errors import shown
from token_verification.key_set import VerificationKey, usable_keys

_MEDIA_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;|\Z)", re.IGNORECASE)
_MAX_AGE = re.compile(r'(?:^|[\s,])max-age="?(\d{1,9})"?\s*(?:,|\Z)', re.IGNORECASE)
_ENTITY_TAG_LIMIT: Final = 256


class DownloadError(Exception):
    """No key set came of a fetch; the message is a sentence's end."""


class Download(NamedTuple):
    """What one fetch brought. `keys` is None when the issuer says that nothing changed."""

    keys: dict[str, VerificationKey] | None
    complaints: tuple[str, ...]
    entity_tag: str | None
    max_age: int | None
    """Seconds; None when the answer does not say."""


class Answer(NamedTuple):
    """What the server of a key set answered, as it came."""

    status: int
    headers: httpx.Headers
    body: bytes
    fault: str | None
    """Why the body is not to be taken, as a sentence's end; it may be incomplete then."""


async def download(
    http: httpx.AsyncClient, jwks_uri: str, *, entity_tag: str | None, deadline: float, byte_cap: int
) -> Download:
    """Fetch a JWK Set once; DownloadError unless it arrives whole, in time and in the right shape.

    `deadline`: seconds for all of it, from the look-up of the name to the last byte: a deadline per read would let a
    server that drips bytes hold us for as long as it likes. `byte_cap`: bytes of the body.
    """
    answer = await fetch(http, jwks_uri, entity_tag=entity_tag, deadline=deadline, byte_cap=byte_cap)
    return read(answer, entity_tag=entity_tag)


async def fetch(
    http: httpx.AsyncClient,
    jwks_uri: str,
    *,
    entity_tag: str | None,
    deadline: float,
    byte_cap: int,
    curious: bool = False,
) -> Answer:
    """Ask for a JWK Set once, within the bounds of `download`, and return what came; DownloadError if nothing did.

    `curious`: read the body of a 200 whose headers say already that it is not to be taken.
    """
    with _only_download_errors():
        try:
            async with asyncio.timeout(deadline):
                return await _fetch(http, jwks_uri, entity_tag, byte_cap, curious=curious)
        except TimeoutError:
            raise DownloadError(f"it took longer than {deadline:g} s") from None


def read(answer: Answer, *, entity_tag: str | None) -> Download:
    """Read the key set out of an answer to a question that named `entity_tag`; DownloadError if there is none in it."""
    max_age = _stated_max_age(answer.headers)
    if answer.fault is not None:
        raise DownloadError(answer.fault)
    if answer.status == 304:
        return Download(None, (), entity_tag, max_age)
    with _only_download_errors():
        try:
            keys, complaints = usable_keys(json_object(answer.body))
        except ValueError as fault:
            raise DownloadError(f"the answer was no key set: {fault}") from None
    if not keys:
        raise DownloadError(f"the answer had no usable key: {'; '.join(complaints[:3]) or 'it is empty'}")
    # RFC 9110 lets a tag hold other bytes, but no request of ours can: with such a tag each refresh would fail.
    tag = answer.headers.get("etag", "")
    return Download(keys, complaints, tag if tag.isascii() and 0 < len(tag) <= _ENTITY_TAG_LIMIT else None, max_age)


@contextlib.contextmanager
def _only_download_errors() -> Iterator[None]:
    try:
        yield
    except DownloadError:
        raise
    except Exception as fault:
        # Whatever a transport raises (a closed client raises RuntimeError), a refresh that failed must stay a refresh
        # that failed: nothing that the network does may end the refreshing.
        raise DownloadError(f"it failed with {type(fault).__name__}") from fault


async def _fetch(
    http: httpx.AsyncClient, jwks_uri: str, entity_tag: str | None, byte_cap: int, *, curious: bool
) -> Answer:
    # Identity, because a few compressed bytes can become as many as they like.
    headers = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
    if entity_tag is not None:
        headers["if-none-match"] = entity_tag
    async with http.stream("GET", jwks_uri, headers=headers, follow_redirects=False, timeout=None) as response:
        fault = _fault_before_the_body(response, entity_tag)
        body = bytearray()
        if response.status_code == 200 and (fault is None or curious):
            # Refused answers raw: one that is compressed in spite of what was asked for is never unpacked.
            async for chunk in response.aiter_raw() if fault else response.aiter_bytes():
                body += chunk
                if len(body) > byte_cap:
                    fault = fault or f"the answer was larger than {byte_cap} bytes"
                    break
        return Answer(response.status_code, response.headers, bytes(body), fault)


def _fault_before_the_body(response: httpx.Response, entity_tag: str | None) -> str | None:
    if response.status_code == 304 and entity_tag is not None:
        return None
    if response.status_code != 200:
        return f"the answer was {response.status_code}"
    if not _MEDIA_TYPE.match(response.headers.get("content-type", "")):
        return f"the answer was {shown(response.headers.get('content-type', 'of no type'))}, not JSON"
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return "the answer was compressed"
    return None


def _stated_max_age(headers: httpx.Headers) -> int | None:
    stated = _MAX_AGE.search(headers.get("cache-control", ""))
    return int(stated[1]) if stated else None
