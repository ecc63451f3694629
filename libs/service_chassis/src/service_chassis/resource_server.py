"""What every resource server of Signet has alike: whose tokens count, the keys to verify them, and the verifier."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from fastapi import FastAPI

from service_chassis.operations import ReadinessCheck
from service_chassis.settings import Seconds, ServiceSettings
from token_verification import AccessTokenVerifier, RemoteKeySet
from token_verification.fastapi import protect


class ResourceServerSettings(ServiceSettings):
    """Durations are in seconds, and mean what the parameters of that name at RemoteKeySet and the verifier mean."""

    issuer: str
    """Whose tokens count: the public URL of the authorization server."""
    jwks_uri: str
    """Where its key set is fetched, inside the system."""
    key_set_file: Path
    """Where the last good key set lies, for a restart while the issuer is away."""
    audience: str
    """Who this service is to the tokens."""

    leeway: Seconds = 5.0
    max_token_life: Seconds = 600.0
    key_set_max_age: Seconds = 300.0
    key_set_retry_first: Seconds = 1.0
    key_set_retry_last: Seconds = 30.0
    key_set_cooldown: Seconds = 10.0
    key_set_keep_for: Seconds = 3600.0
    key_set_deadline: Seconds = 3.0


class ResourceServer:
    """The verifying side of one process, as its settings have it. Open it for the life of the application.

    `http` is its client for the way to the system's other services. `network` carries what it asks, the real one by
    default; `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        settings: ResourceServerSettings,
        *,
        network: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.http = httpx.AsyncClient(
            transport=network,
            # Proxies of the environment are for the way out, never for the way to our own issuer.
            trust_env=False,
            # No cookie is kept: what came with one caller's answer would go out with another's question.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=settings.key_set_deadline,
        )
        self._key_set = RemoteKeySet(
            settings.jwks_uri,
            issuer=settings.issuer,
            http=self.http,
            stored_at=settings.key_set_file,
            default_max_age=settings.key_set_max_age,
            retry_first=settings.key_set_retry_first,
            retry_last=settings.key_set_retry_last,
            cooldown=settings.key_set_cooldown,
            keep_for=settings.key_set_keep_for,
            deadline=settings.key_set_deadline,
            wall_clock=clock,
        )
        self._verifier = AccessTokenVerifier(
            issuer=settings.issuer,
            audience=settings.audience,
            key_set=self._key_set,
            leeway=settings.leeway,
            max_life=settings.max_token_life,
            clock=clock,
        )
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to fetch the keys."""
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.http)
            await opening.enter_async_context(self._key_set)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything."""
        await self._open.aclose()

    def protect(self, app: FastAPI, *, public: Collection[str]) -> None:
        """Deny every request to the application that has no good token, but for the routes that are public."""
        protect(app, self._verifier, public=public)

    @property
    def readiness(self) -> Mapping[str, ReadinessCheck]:
        """What has to be there before a token can be verified, for `/readyz`."""
        return {"keys": self._key_set.ready}
