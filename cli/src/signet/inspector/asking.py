"""Asks for a key set as a service does, and finds it when only its issuer is known."""

import contextlib
import ipaddress
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from signet.failure import Failure
from signet.inspector.words import visible
from token_verification.compact_jws import json_object
from token_verification.key_set_download import Answer, DownloadError, fetch

DEADLINE = 3.0
"""Seconds for one answer in all, as for a service."""
BYTE_CAP = 64 * 1024
"""Bytes of a key set, as for a service."""


class Asked(NamedTuple):
    """What came of asking: the answer that holds the key set, or the nearest to it that there was."""

    url: str
    """Where the answer came from."""
    answer: Answer
    document: dict[str, Any] | None
    """The answer as a JSON object, if it is one."""
    at: float
    """When it came; seconds since the epoch."""
    metadata: str | None = None
    """Where the issuer's metadata named that place (RFC 8414), if the URL was not the key set's own."""
    issuer: str | None = None
    """What the metadata calls the issuer."""
    again: Answer | str | None = None
    """The answer to the same question with the ETag; why there was none, as a sentence's end; None without an ETag."""


class NotFetchedError(Failure):
    """No key set was had, because nobody answered, or the answer was an error."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{visible(url)} could not be fetched: {why}.", status=2)


def require_url(url: str) -> str:
    """Return the URL if it can be asked. Raises Failure."""
    if not _is_url(url):
        raise Failure(f"{visible(url)} is not an http or https URL.", status=2)
    if _has_credentials(url):
        raise Failure("The URL holds a user or password: leave it out, a key set is public.", status=2)
    return url


def _is_url(url: str) -> bool:
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def _has_credentials(url: str) -> bool:
    return "@" in urlsplit(url).netloc


def is_on_this_machine(url: str) -> bool:
    """Tell whether a URL leads to this very machine, so that nobody stands in between."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def ask(url: str, *, twice: bool) -> Asked:
    """Fetch a key set from its URL, or from the one that the metadata of the issuer at that URL names.

    `twice`: ask again with the ETag, to see whether it is honoured. Raises Failure when the URL is none, and
    NotFetchedError when nothing could be had.
    """
    require_url(url)
    # On this machine, no proxy of the environment may stand in between.
    async with httpx.AsyncClient(trust_env=not is_on_this_machine(url)) as http:
        asked = await _found(http, url)
        if asked.answer.status != 200 and not 300 <= asked.answer.status < 400:
            raise NotFetchedError(asked.url, f"the answer was {asked.answer.status}")
        tag = asked.answer.headers.get("etag")
        if twice and tag and tag.isascii() and asked.answer.status == 200:
            asked = asked._replace(again=await _again(http, asked.url, tag))
        return asked


async def _found(http: httpx.AsyncClient, url: str) -> Asked:
    first = await _ask(http, url)
    if _has_keys(first) or len(first.answer.body) > BYTE_CAP:
        return first
    if (there := _jwks_uri(first)) is not None:
        return await _follow(http, there, first)
    for address in _metadata_addresses(url):
        try:
            metadata = await _ask(http, address)
        except NotFetchedError:
            continue
        if (there := _jwks_uri(metadata)) is not None:
            return await _follow(http, there, metadata)
    return first


async def _follow(http: httpx.AsyncClient, jwks_uri: str, metadata: Asked) -> Asked:
    if _has_credentials(jwks_uri):
        raise NotFetchedError(metadata.url, "the jwks_uri that it names holds a user or password")
    issuer = metadata.document.get("issuer") if metadata.document else None
    found = await _ask(http, jwks_uri)
    return found._replace(metadata=metadata.url, issuer=issuer if isinstance(issuer, str) else None)


async def _ask(http: httpx.AsyncClient, url: str) -> Asked:
    try:
        answer = await fetch(http, url, entity_tag=None, deadline=DEADLINE, byte_cap=BYTE_CAP, curious=True)
    except DownloadError as fault:
        cause = str(fault.__cause__ or "")
        raise NotFetchedError(url, f"{fault} ({visible(cause)})" if cause else str(fault)) from None
    document = None
    if len(answer.body) <= BYTE_CAP:
        with contextlib.suppress(ValueError):
            document = json_object(answer.body)
    return Asked(url, answer, document, time.time())


async def _again(http: httpx.AsyncClient, url: str, entity_tag: str) -> Answer | str:
    try:
        return await fetch(http, url, entity_tag=entity_tag, deadline=DEADLINE, byte_cap=BYTE_CAP, curious=True)
    except DownloadError as fault:
        return str(fault)


def _has_keys(asked: Asked) -> bool:
    return asked.document is not None and isinstance(asked.document.get("keys"), list)


def _jwks_uri(asked: Asked) -> str | None:
    there = asked.document.get("jwks_uri") if asked.document else None
    return there if asked.answer.status == 200 and isinstance(there, str) and _is_url(there) else None


def _metadata_addresses(issuer: str) -> tuple[str, ...]:
    """Return where an issuer's metadata may lie (RFC 8414, section 3.1; OpenID Connect Discovery, section 4)."""
    parts = urlsplit(issuer)
    if "/.well-known/" in parts.path:
        return ()
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )
