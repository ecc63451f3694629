"""One worker of a resource server that follows a feed, with clocks that stand still."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx

from token_verification import AccessTokenVerifier, RemoteKeySet, RevocationFeed, VerificationError
from token_verification.testing import FakeClock, FakeIssuer

NOW = 1_800_000_000


class Time(FakeClock):
    """One clock for all: the wall's is `NOW` ahead of what is counted; the services' may `leap` besides."""

    leap = 0.0

    def wall(self) -> float:
        return NOW + self.now

    def leaping(self) -> float:
        return self.wall() + self.leap


class Service:
    """One worker of a resource server, from its start to its end."""

    def __init__(
        self,
        issuer: FakeIssuer,
        time: Time,
        *,
        stored_at: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        **arguments: Any,  # noqa: ANN401 -- the feed's
    ) -> None:
        self._http = httpx.AsyncClient(transport=transport or issuer.transport)
        self.key_set = RemoteKeySet(
            issuer.jwks_uri,
            issuer=issuer.issuer,
            http=self._http,
            stored_at=stored_at,
            clock=time,
            wall_clock=time.wall,
            sleep=time.sleep,
        )
        self.feed = RevocationFeed(
            issuer.feed_uri,
            issuer=issuer.issuer,
            key_set=self.key_set,
            http=self._http,
            clock=time,
            wall_clock=time.leaping,
            sleep=time.sleep,
            **arguments,
        )
        self.verifier = AccessTokenVerifier(
            issuer=issuer.issuer,
            audience=issuer.audience,
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


def issuer_at(time: Time) -> FakeIssuer:
    """Return an issuer that lives by this clock."""
    return FakeIssuer(clock=time.wall, sleep=time.sleep)


@contextlib.asynccontextmanager
async def running(issuer: FakeIssuer, time: Time, **arguments: Any) -> AsyncIterator[Service]:  # noqa: ANN401 -- the feed's
    service = Service(issuer, time, **arguments)
    async with service._http, service.key_set, service.feed:
        await time.settle()
        yield service


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for what a thread is at: reading a long answer, or writing to disk."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(0.001)
