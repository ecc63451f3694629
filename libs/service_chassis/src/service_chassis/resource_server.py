"""What every resource server of Signet has alike: whose tokens count, what has been revoked, and the verifier."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Literal, Self

import httpx
from fastapi import FastAPI
from pydantic import Field, ValidationInfo, field_validator

from service_chassis.fit_out import observe
from service_chassis.followed_revocations import FollowedRevocations
from service_chassis.operations import ReadinessCheck
from service_chassis.server_timing import part
from service_chassis.settings import Seconds, ServiceSettings
from token_verification import AccessToken, AccessTokenVerifier, RemoteKeySet, RevocationFeed
from token_verification.fastapi import Verifier, protect

LEARN_SECONDS: Final = 10.0
"""For which workers are held back while the issuer does not say what they need to know."""


class ResourceServerSettings(ServiceSettings):
    """Durations are in seconds; each means what the parameter of its name means at who is named above it."""

    issuer: str
    """Whose tokens count: the public URL of the authorization server."""
    audience: str
    """Who this service is to the tokens."""
    leeway: Seconds = 5.0
    """Between the clocks of the issuer and this process."""
    max_token_life: Seconds = 600.0

    # RemoteKeySet
    jwks_uri: str
    """Where the issuer's key set is fetched, inside the system."""
    key_set_file: Path
    """Where the last good key set lies, for a restart while the issuer is away."""
    key_set_max_age: Seconds = 300.0
    key_set_retry_first: Seconds = 1.0
    key_set_retry_last: Seconds = 30.0
    key_set_cooldown: Seconds = 10.0
    key_set_keep_for: Seconds = 3600.0
    key_set_deadline: Seconds = 3.0

    # RevocationFeed
    revocations_mode: Literal["follow", "strict", "plain"] = "follow"
    """`plain` follows no feed: a login that has ended is honoured until its token expires."""
    revocations_url: Annotated[str | None, Field(validate_default=True)] = None
    """Where the issuer's feed of revocations is, inside the system. Only `plain` goes without."""
    revocations_folder: Annotated[Path | None, Field(validate_default=True)] = None
    """Where every process of this service keeps what it has learnt from the feed. Only `plain` goes without."""
    revocations_wait: Annotated[int, Field(ge=1)] | None = None
    revocations_patience: Seconds = 3.0
    revocations_retry_first: Seconds = 0.1
    revocations_retry_last: Seconds = 5.0
    revocations_cooldown: Seconds = 10.0
    revocations_max_age_for_changes: Seconds = 3.0
    revocations_max_age: Seconds = 30.0

    @field_validator("revocations_url", "revocations_folder")
    @classmethod
    def _only_plain_goes_without(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("revocations_mode") != "plain":
            raise ValueError("is not set, and only SIGNET_REVOCATIONS_MODE=plain goes without")
        return value


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
        self._feed = self._feed_of(settings, clock)
        self._server_timing = settings.server_timing
        verifier = AccessTokenVerifier(
            issuer=settings.issuer,
            audience=settings.audience,
            key_set=self._key_set,
            revocations=self._feed,
            leeway=settings.leeway,
            max_life=settings.max_token_life,
            clock=clock,
        )
        self._verifier: Verifier = MeasuredVerifier(verifier) if settings.server_timing else verifier
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to fetch the keys and to follow the feed."""
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.http)
            await opening.enter_async_context(self._key_set)
            if self._feed is not None:
                await opening.enter_async_context(self._feed)
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

    def observe(self, app: FastAPI, *, name: str, readiness: Mapping[str, ReadinessCheck]) -> None:
        """Add the outer layer, with what verifying needs among the checks: call it after `protect`.

        `name`: of the service, as `Server-Timing` says it where that is switched on.
        """
        followed = FollowedRevocations(self._feed)
        checks = dict(readiness) | self._checks()
        timed_as = name if self._server_timing else None
        metrics = observe(app, readiness=checks, about={"revocations": followed.summary}, timed_as=timed_as)
        metrics.registry.register(followed)

    async def until_ready(self) -> None:
        """Return once tokens can be verified, by the issuer's keys and by what has been revoked."""
        for check in self._checks().values():
            while await check() is not None:  # noqa: ASYNC110 -- once at a start: the checks have no event to wait for
                await asyncio.sleep(0.02)

    def _checks(self) -> dict[str, ReadinessCheck]:
        checks: dict[str, ReadinessCheck] = {"keys": self._key_set.ready}
        if self._feed is not None:
            checks["revocations"] = self._feed.ready
        return checks

    def _feed_of(self, settings: ResourceServerSettings, clock: Callable[[], float]) -> RevocationFeed | None:
        if settings.revocations_mode == "plain" or settings.revocations_url is None:
            return None
        return RevocationFeed(
            settings.revocations_url,
            issuer=settings.issuer,
            key_set=self._key_set,
            http=self.http,
            journal=settings.revocations_folder,
            mode=settings.revocations_mode,
            wait=settings.revocations_wait,
            patience=settings.revocations_patience,
            retry_first=settings.revocations_retry_first,
            retry_last=settings.revocations_retry_last,
            cooldown=settings.revocations_cooldown,
            leeway=settings.leeway,
            max_age_for_changes=settings.revocations_max_age_for_changes,
            max_age=settings.revocations_max_age,
            wall_clock=clock,
        )


async def learn_for_workers(settings: ResourceServerSettings) -> None:
    """Have what a verifier needs to know lie on disk, before there are several workers, who find it there.

    Who asks whether a service is ready is answered by one worker, for all of them: so none may begin without. Where the
    issuer says nothing for LEARN_SECONDS they do begin, and answer 503 until it does. One worker learns by itself.
    In strict mode each of several has, besides, to hear from the issuer itself, and answers 503 until it has.
    """
    if settings.workers > 1:
        async with ResourceServer(settings) as resource_server:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(resource_server.until_ready(), LEARN_SECONDS)


class MeasuredVerifier:
    """A verifier whose work is a part of `Server-Timing`, named `verify`."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def verify(self, token: str, *, changes_state: bool = True) -> AccessToken:
        """Do what the verifier does."""
        with part("verify"):
            return await self._verifier.verify(token, changes_state=changes_state)
