"""What every resource server promises, whatever it serves: each of them runs these tests as its own."""

import time
from collections.abc import Callable
from typing import ClassVar

import httpx
import pytest
from fastapi import FastAPI
from tests.resource_server_running import Bearer, Start, until_it_knows

from service_chassis.resource_server import ResourceServerSettings
from token_verification.forgeries import FORGERIES, Forgery
from token_verification.route_walk import unprotected_routes
from token_verification.testing import FakeIssuer


class ResourceServerPromises:
    """Nobody is let in without a good token, and whoever has one is, whether or not the issuer is there.

    A subclass names its service; the fixtures `app`, `settings`, `issuer`, `start`, `bearer` and `client` are the
    service's own, and `target` is an issuer and a running service for all forgeries, as none changes it.
    """

    audience: ClassVar[str]
    path: ClassVar[str]
    """A path that any caller with all scopes can GET."""
    public: ClassVar[frozenset[str]] = frozenset()
    """The routes that ask for no token, besides the probes and the document, which the gateway does not show."""
    make_app: Callable[..., FastAPI]

    @pytest.mark.asyncio(loop_scope="module")
    @pytest.mark.parametrize("forgery", FORGERIES, ids=str)
    async def test_a_forgery_is_refused(self, forgery: Forgery, target: tuple[FakeIssuer, httpx.AsyncClient]) -> None:
        """It gets the answer for whose reason it was made."""
        issuer, client = target
        attempt = forgery.make(issuer, self.audience)
        answer = await client.get(f"{self.path}?{attempt.query}", headers=attempt.headers)
        assert (answer.status_code, answer.json()["reason"]) == (forgery.status, forgery.reason)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    async def test_every_route_denies_without_a_token(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        """But for those that are public."""
        operations = {"GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json"}
        assert await unprotected_routes(app) == operations | self.public

    async def test_what_does_not_exist_denies_too(self, client: httpx.AsyncClient) -> None:
        """Without a token nobody learns which paths there are."""
        del client.headers["Authorization"]
        for path in ("/api/nothing", "/", "/healthz/"):
            assert (await client.get(path)).status_code == 401

    @pytest.mark.parametrize(("ahead", "status"), [(4, 200), (-4, 200), (30, 401), (-330, 401)])
    async def test_clocks_may_differ_by_four_seconds_and_not_by_thirty(
        self, client: httpx.AsyncClient, issuer: FakeIssuer, bearer: Bearer, ahead: int, status: int
    ) -> None:
        """The issuer's clock is ahead, or behind by more than the token's life."""
        issuer.clock = lambda: time.time() + ahead - (300 if ahead == -4 else 0)
        assert (await client.get(self.path, headers=bearer())).status_code == status

    async def test_known_keys_go_on_verifying_while_the_issuer_is_down(
        self, client: httpx.AsyncClient, issuer: FakeIssuer, bearer: Bearer
    ) -> None:
        """The issuer is not asked on the way of a request."""
        await client.get(self.path)
        issuer.behaviour = "down"
        answers = [await client.get(self.path, headers=bearer()) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert issuer.requests == 1
        assert (await client.get("/readyz")).status_code == 200

    async def test_a_restart_without_the_issuer_uses_the_set_on_disk(
        self, settings: ResourceServerSettings, issuer: FakeIssuer, start: Start
    ) -> None:
        """What was fetched before the restart verifies after it."""
        async with start(self.make_app(settings, network=issuer.transport)) as client:
            await client.get(self.path)
        issuer.behaviour = "down"
        async with start(self.make_app(settings, network=issuer.transport)) as client:
            assert (await client.get(self.path)).status_code == 200
            assert (await client.get("/readyz")).status_code == 200

    async def test_a_login_that_has_ended_is_refused_also_after_a_restart_without_the_issuer(
        self, settings: ResourceServerSettings, issuer: FakeIssuer, start: Start, bearer: Bearer
    ) -> None:
        """Its token has minutes to live, and its signature is good; another login of the same person goes on."""
        token, other = bearer(sid="ended"), bearer(sid="other")
        async with start(self.make_app(settings, network=issuer.transport)) as client:
            assert (await client.get(self.path, headers=token)).status_code == 200
            await until_it_knows(client, issuer.revoke(sid="ended"))
            await self._refused_is_one_and_not_the_other(client, token, other)
        issuer.behaviour = issuer.feed.behaviour = "down"
        async with start(self.make_app(settings, network=issuer.transport)) as client:
            await self._refused_is_one_and_not_the_other(client, token, other)

    async def _refused_is_one_and_not_the_other(
        self, client: httpx.AsyncClient, ended: dict[str, str], other: dict[str, str]
    ) -> None:
        refused = await client.get(self.path, headers=ended)
        assert (refused.status_code, refused.json()["reason"]) == (401, "login_ended")
        assert (await client.get(self.path, headers=other)).status_code == 200

    async def test_without_any_keys_the_answer_is_503_and_not_401(
        self, app: FastAPI, issuer: FakeIssuer, start: Start
    ) -> None:
        """A client must not throw its token away; the process is alive and says that it is not ready."""
        issuer.behaviour = "down"
        async with start(app) as client:
            answer = await client.get(self.path)
            assert (answer.status_code, answer.json()["reason"]) == (503, "keys_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "ready")
            assert ready.json()["checks"]["keys"] != "ready"
            assert (await client.get("/healthz")).status_code == 200

    async def test_a_flood_of_unknown_kids_causes_one_fetch(
        self, client: httpx.AsyncClient, issuer: FakeIssuer, bearer: Bearer
    ) -> None:
        """Within the cooldown no unknown key id makes another fetch, and good tokens pass meanwhile."""
        await client.get(self.path)
        for number in range(200):
            stray = {"Authorization": f"Bearer {issuer.token(header={'kid': f'stray-{number}'})}"}
            assert (await client.get(self.path, headers=stray)).json()["reason"] == "unknown_kid"
        assert (await client.get(self.path, headers=bearer())).status_code == 200
        assert issuer.requests == 1
