"""Accounts that administrators disable, and enable again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from services.auth.tests.replicas import bearer, claims_of, log_in, revoked

from auth_service.first_administrator import create_first_administrator

if TYPE_CHECKING:
    from services.auth.tests.conftest import Auth

PASSWORD = "correct horse battery"
ROOT = "root@example.com"


@pytest.fixture
async def root(auth: Auth) -> dict[str, Any]:
    """Log an administrator in, for auth alone."""
    await create_first_administrator(auth.settings, email=ROOT, name="Root", password=PASSWORD)
    return await log_in(auth, ROOT, resource="urn:signet:auth")


async def test_a_disabled_account_is_out_and_stays_out(auth: Auth, root: dict[str, Any]) -> None:
    """Its logins end, no refresh goes on, and a login gets the answer of a wrong password by the same work."""
    sub = await auth.register()
    hers = [await log_in(auth), await log_in(auth)]
    answer = await auth.client.put(f"/admin/accounts/{sub}/disabled", headers=bearer(root))
    assert (answer.status_code, answer.json()["ended"]) == (200, 2)
    assert sorted(await revoked(auth)) == sorted(claims_of(tokens)["sid"] for tokens in hers)
    for tokens in hers:
        refused = await auth.client.get("/logins", headers=bearer(tokens))
        assert (refused.status_code, refused.json()["reason"]) == (401, "login_ended")
        refused = await auth.client.post("/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert (refused.status_code, refused.json()["reason"]) == (400, "invalid_grant")
    auth.hasher.verified.clear()
    right, wrong, unknown = (
        await auth.log_in(),
        await auth.log_in(password="not this one"),
        await auth.log_in("eve@example.com"),
    )
    assert right.status_code == 401
    assert right.content == wrong.content == unknown.content
    assert len(auth.hasher.verified) == 3
    for _ in range(2):  # what is counted for it is not forgiven either
        again = await auth.client.put(f"/admin/accounts/{sub}/disabled", headers=bearer(root))
        assert (again.status_code, again.json()["ended"]) == (200, 0)
    enabled = await auth.client.delete(f"/admin/accounts/{sub}/disabled", headers=bearer(root))
    assert (enabled.status_code, enabled.content) == (204, b"")
    assert (await auth.log_in()).status_code == 200
    assert (await auth.client.get("/logins", headers=bearer(hers[0]))).status_code == 401


async def test_it_takes_an_administrator_who_has_just_logged_in_for_it(auth: Auth, root: dict[str, Any]) -> None:
    """No scope, a wider audience or an old login is refused, a refresh makes no login younger, and nobody disables
    themselves.
    """
    sub = await auth.register()
    path = f"/admin/accounts/{sub}/disabled"
    for tokens, status, reason in [
        (await log_in(auth), 403, "insufficient_scope"),
        (await log_in(auth, ROOT), 403, "audience_too_wide"),
    ]:
        for method in ("PUT", "DELETE"):
            refused = await auth.client.request(method, path, headers=bearer(tokens))
            assert (refused.status_code, refused.json()["reason"]) == (status, reason)
    own = await auth.client.put(f"/admin/accounts/{claims_of(root)['sub']}/disabled", headers=bearer(root))
    assert (own.status_code, own.json()["reason"]) == (409, "own_account")
    for method in ("PUT", "DELETE"):
        unknown = await auth.client.request(method, "/admin/accounts/nobody/disabled", headers=bearer(root))
        assert (unknown.status_code, unknown.json()["reason"]) == (404, "not_found")
    auth.clock.now += 899
    refreshed = await auth.client.post("/refresh", json={"refresh_token": root["refresh_token"]})
    assert (await auth.client.put(path, headers=bearer(refreshed.json()))).status_code == 200
    auth.clock.now += 1
    refused = await auth.client.put(path, headers=bearer(refreshed.json()))
    assert (refused.status_code, refused.json()["reason"]) == (401, "insufficient_user_authentication")
