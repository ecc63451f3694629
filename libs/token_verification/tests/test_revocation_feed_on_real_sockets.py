"""A feed over real HTTP on loopback, since fakes can be too polite."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import httpx
import pytest
from libs.token_verification.tests.following import eventually
from libs.token_verification.tests.serving import answered_by, served

from token_verification import AccessTokenVerifier, InvalidToken, RemoteKeySet, RevocationFeed
from token_verification.testing import FakeIssuer


@contextlib.asynccontextmanager
async def following(
    issuer: FakeIssuer, jwks_uri: str, feed_uri: str, *, wait: int, patience: float = 0.3
) -> AsyncIterator[RevocationFeed]:
    async with (
        httpx.AsyncClient() as http,
        RemoteKeySet(jwks_uri, issuer=issuer.issuer, http=http) as key_set,
        RevocationFeed(
            feed_uri, issuer=issuer.issuer, key_set=key_set, http=http, wait=wait, patience=patience, retry_last=0.1
        ) as feed,
    ):
        yield feed


async def test_a_revocation_arrives_while_the_question_waits() -> None:
    """Over a real socket a token is refused soon after, also when the issuer was gone meanwhile."""
    issuer = FakeIssuer()
    async with contextlib.AsyncExitStack() as stack:
        async with served(issuer) as jwks_uri:
            feed = await stack.enter_async_context(
                following(issuer, jwks_uri, urljoin(jwks_uri, issuer.feed.path), wait=20, patience=3)
            )
            await eventually(lambda: feed.complete and issuer.feed.requests >= 2)
            verifier = AccessTokenVerifier(
                issuer=issuer.issuer, audience=issuer.audience, key_set=issuer.key_set, revocations=feed
            )
            token = issuer.token(sid="ended")
            assert (await verifier.verify(token)).login_id == "ended"
            start = time.monotonic()
            issuer.revoke(sid="ended")
            await eventually(lambda: feed.seq)
            assert time.monotonic() - start < 10, "it came when the wait was over"
            with pytest.raises(InvalidToken, match="login_ended"):
                await verifier.verify(token)
            issuer.feed.wake()  # as an issuer does that is about to end
        await eventually(lambda: str(feed.fault).startswith("it failed with "))
        assert feed.login_has_ended("ended")


async def test_silence_and_drops_end_in_time() -> None:
    """A server that says nothing, and one that drips bytes for ever, are left when the wait and a bit are over."""
    issuer = FakeIssuer()

    async def say_nothing(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\n\r\n")
        for _ in range(50):
            writer.write(b"A")
            await writer.drain()
            await asyncio.sleep(0.02)

    for answer in (say_nothing, drip):
        async with answered_by(answer) as url, following(issuer, url, url, wait=0) as feed:
            await eventually(functools.partial(getattr, feed, "fault"))
            assert feed.fault == "it took longer than 0.3 s"
    issuer.feed.behaviour = "hang"
    async with (
        served(issuer) as jwks_uri,
        following(issuer, jwks_uri, urljoin(jwks_uri, issuer.feed.path), wait=0) as feed,
    ):
        await eventually(functools.partial(getattr, feed, "fault"))
        assert feed.fault == "it took longer than 0.3 s"
