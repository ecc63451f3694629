"""Reads an issuer's feed of revocations once, as a service reads it when it starts."""

import asyncio

import httpx

from signet.inspector.asking import is_on_this_machine, require_url
from token_verification import RevocationFeed
from token_verification.revocation_feed import RefreshableKeySet


async def read_once(url: str, *, issuer: str, key_set: RefreshableKeySet) -> RevocationFeed:
    """Return what the feed tells, read to its end, or `fault` and what came before it. Raises Failure: it is no URL."""
    require_url(url)
    # On this machine, no proxy of the environment may stand in between.
    async with httpx.AsyncClient(trust_env=not is_on_this_machine(url)) as http:
        feed = RevocationFeed(url, issuer=issuer, key_set=key_set, http=http)
        async with feed:
            while not feed.complete and feed.fault is None:  # noqa: ASYNC110 -- a follower tells nobody how far it is
                await asyncio.sleep(0.01)
        return feed
