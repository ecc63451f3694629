"""RevocationFeed: what a service knows of revocations, minute by minute, with clocks that stand still."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from token_verification import (
    AccessTokenVerifier,
    RemoteKeySet,
    RevocationFeed,
    VerificationError,
)
from token_verification.testing import FakeClock, FakeIssuer

AUDIENCE = "urn:test:api"
NOW = 1_800_000_000


class Time(FakeClock):
    """One clock for all: the wall is `NOW` ahead of what is counted."""

    def wall(self) -> float:
        return NOW + self.now


class Service:
    """One worker of a resource server, from its start to its end."""

    def __init__(self, issuer: FakeIssuer, time: Time, **arguments: Any) -> None:  # noqa: ANN401 -- the feed's
        self._http = httpx.AsyncClient(transport=issuer.transport)
        self.key_set = RemoteKeySet(
            issuer.jwks_uri, issuer=issuer.issuer, http=self._http, clock=time, wall_clock=time.wall, sleep=time.sleep
        )
        self.feed = RevocationFeed(
            issuer.feed_uri,
            issuer=issuer.issuer,
            key_set=self.key_set,
            http=self._http,
            clock=time,
            wall_clock=time.wall,
            sleep=time.sleep,
            **arguments,
        )
        self.verifier = AccessTokenVerifier(
            issuer=issuer.issuer,
            audience=AUDIENCE,
            key_set=self.key_set,
            revocations=self.feed,
            clock=time.wall,
        )

    async def answer(self, token: str, *, changes_state: bool = True) -> str:
        """Return what the service says to a token."""
        try:
            await self.verifier.verify(token, changes_state=changes_state)
        except VerificationError as refusal:
            return f"{refusal.status} {refusal.reason}"
        return "200"


@pytest.fixture
def time() -> Time:
    return Time(now=0)


@pytest.fixture
def issuer(time: Time) -> FakeIssuer:
    return FakeIssuer(audience=AUDIENCE, clock=time.wall, sleep=time.sleep)


@contextlib.asynccontextmanager
async def running(issuer: FakeIssuer, time: Time, **arguments: Any) -> AsyncIterator[Service]:  # noqa: ANN401 -- the feed's
    service = Service(issuer, time, **arguments)
    async with service._http, service.key_set, service.feed:
        await time.settle()
        yield service


async def test_a_login_that_ended_is_refused_at_once(issuer: FakeIssuer, time: Time) -> None:
    """A token that was good is refused as soon as the feed says so: nothing else has to happen, and no time pass."""
    async with running(issuer, time) as service:
        token = issuer.token(sid="login-1", jti="token-1")
        assert await service.answer(token) == "200"
        seq = issuer.revoke(sid="login-1")
        await time.settle()
        assert await service.answer(token) == "401 login_ended"
        assert await service.answer(issuer.token(sid="login-2")) == "200"
        assert service.feed.seq == seq
        other = issuer.token(sid="login-2", jti="token-2")
        issuer.revoke(jti="token-2")
        await time.settle()
        assert await service.answer(other) == "401 token_revoked"
        assert await service.answer(issuer.token(sid="login-2")) == "200"
        assert (service.feed.remembered, service.feed.answers, service.feed.failures) == (2, 3, 0)
