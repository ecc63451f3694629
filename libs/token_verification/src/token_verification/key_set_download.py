"""One fetch of a JWK Set: bounded in time and bytes, and trusted with nothing."""

import asyncio
import re
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


async def download(
    http: httpx.AsyncClient, jwks_uri: str, *, entity_tag: str | None, deadline: float, byte_cap: int
) -> Download:
    """Fetch a JWK Set once; DownloadError unless it arrives whole, in time and in the right shape.

    `deadline`: seconds for all of it, from the look-up of the name to the last byte: a deadline per read would let a
    server that drips bytes hold us for as long as it likes. `byte_cap`: bytes of the body.
    """
    try:
        async with asyncio.timeout(deadline):
            return await _download(http, jwks_uri, entity_tag, byte_cap)
    except TimeoutError:
        raise DownloadError(f"it took longer than {deadline:g} s") from None
    except DownloadError:
        raise
    except Exception as fault:
        # Whatever a transport raises (a closed client raises RuntimeError), a refresh that failed must stay a refresh
        # that failed: nothing that the network does may end the refreshing.
        raise DownloadError(f"it failed with {type(fault).__name__}") from fault


async def _download(http: httpx.AsyncClient, jwks_uri: str, entity_tag: str | None, byte_cap: int) -> Download:
    # Identity, because a few compressed bytes can become as many as they like.
    headers = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
    if entity_tag is not None:
        headers["if-none-match"] = entity_tag
    async with http.stream("GET", jwks_uri, headers=headers, follow_redirects=False, timeout=None) as response:
        max_age = _stated_max_age(response)
        if response.status_code == 304 and entity_tag is not None:
            return Download(None, (), entity_tag, max_age)
        if response.status_code != 200:
            raise DownloadError(f"the answer was {response.status_code}")
        if not _MEDIA_TYPE.match(response.headers.get("content-type", "")):
            raise DownloadError(f"the answer was {shown(response.headers.get('content-type', 'of no type'))}, not JSON")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise DownloadError("the answer was compressed")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > byte_cap:
                raise DownloadError(f"the answer was larger than {byte_cap} bytes")
        tag = response.headers.get("etag")
    try:
        keys, complaints = usable_keys(json_object(bytes(body)))
    except ValueError as fault:
        raise DownloadError(f"the answer was no key set: {fault}") from None
    if not keys:
        raise DownloadError(f"the answer had no usable key: {'; '.join(complaints[:3]) or 'it is empty'}")
    return Download(keys, complaints, tag if tag and len(tag) <= _ENTITY_TAG_LIMIT else None, max_age)


def _stated_max_age(response: httpx.Response) -> int | None:
    stated = _MAX_AGE.search(response.headers.get("cache-control", ""))
    return int(stated[1]) if stated else None
