"""What the endpoints of administration ask of a token besides its scope."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from auth_service.endpoints.administration import requires_recent_login
from service_chassis.fit_out import take_json
from token_verification import AccessTokenVerifier
from token_verification.fastapi import protect, requires_scope
from token_verification.testing import FakeClock, FakeIssuer

AUTH = "urn:signet:auth"
NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("claims", "status", "reason"),
    [
        ({}, 200, None),
        ({"aud": [AUTH]}, 200, None),
        ({"auth_time": NOW - 899}, 200, None),
        ({"scope": "orders:read"}, 403, "insufficient_scope"),
        ({"aud": [AUTH, "urn:signet:orders"]}, 403, "audience_too_wide"),
        ({"aud": [AUTH, "urn:signet:orders"], "auth_time": NOW - 900}, 403, "audience_too_wide"),
        ({"auth_time": NOW - 900}, 401, "insufficient_user_authentication"),
        ({"auth_time": NOW - 86_400}, 401, "insufficient_user_authentication"),
    ],
)
async def test_administration_wants_a_token_for_auth_alone_and_a_recent_password(
    claims: dict[str, Any], status: int, reason: str | None
) -> None:
    """A token that other services see too, or whose password was given 15 minutes ago, is told what to do instead."""
    issuer = FakeIssuer(clock=FakeClock(NOW))
    app = FastAPI()
    recent = requires_recent_login(max_age=900, clock=lambda: float(NOW))

    @app.get("/admin/anything", dependencies=[requires_scope("keys:manage"), recent])
    async def anything() -> None:
        """Be there."""

    take_json(app)
    verifier = AccessTokenVerifier(
        issuer=issuer.issuer, audience=AUTH, key_set=issuer.key_set, clock=lambda: float(NOW)
    )
    protect(app, verifier, public=set())
    good: dict[str, Any] = {"aud": AUTH, "scope": "keys:manage", "auth_time": NOW}
    token = issuer.token(**(good | claims))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://auth.test") as client:
        answer = await client.get("/admin/anything", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status, answer.text
    assert (answer.json() or {}).get("reason") == reason
    if status == 401:
        assert answer.headers["www-authenticate"].startswith('Bearer error="insufficient_user_authentication", ')
        assert answer.headers["www-authenticate"].endswith("max_age=900")
