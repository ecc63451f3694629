"""RFC 7009, and what auth itself says of a token that was revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
from services.auth.tests.exchanging import Exchanging, exchanging
from services.auth.tests.replicas import bearer, claims_of, database_of, log_in, revoked

from auth_service.revocations import RevocationKind, RevocationLog
from token_verification.testing import FakeIssuer

if TYPE_CHECKING:
    import httpx
    from services.auth.tests.conftest import Auth


async def revoke(client: httpx.AsyncClient, token: str, **form: str) -> tuple[int, str]:
    """Ask for a revocation as the public client, unless the form says otherwise; return the status and the error."""
    answer = await client.post("/oauth/revoke", data={"token": token, "client_id": "signet"} | form)
    assert answer.headers["cache-control"] == "no-store"
    if answer.status_code == 200:
        assert answer.content == b""
        return 200, ""
    return answer.status_code, answer.json()["error"]


def by_assertion(orders: Exchanging) -> dict[str, str]:
    """Return the parameters by which the service proves itself."""
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return {"client_id": "", "client_assertion_type": kind, "client_assertion": orders.assertion()}


async def test_a_refresh_token_takes_its_login_with_it(auth: Auth) -> None:
    """Used or not, whatever the hint says; and who asks twice, or for nobody's token, hears the same."""
    await auth.register()
    one, other = await log_in(auth), await log_in(auth)
    await auth.client.post("/refresh", json={"refresh_token": other["refresh_token"]})
    assert await revoke(auth.client, one["refresh_token"], token_type_hint="access_token") == (200, "")
    assert await revoke(auth.client, other["refresh_token"], token_type_hint="of_my_own") == (200, "")
    assert await revoked(auth) == [claims_of(one)["sid"], claims_of(other)["sid"]]
    for token in (one["refresh_token"], "A" * 43, "nonsense", "x" * 9000):
        assert await revoke(auth.client, token) == (200, "")
    assert len(await revoked(auth)) == 2


async def test_an_access_token_is_revoked_alone(auth: Auth) -> None:
    """Its id goes on the log once; its login and the login's other tokens go on."""
    await auth.register()
    tokens = await log_in(auth)
    next_ones = (await auth.client.post("/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    assert await revoke(auth.client, tokens["access_token"]) == (200, "")
    assert await revoke(auth.client, tokens["access_token"]) == (200, "")
    assert await revoked(auth, "jti") == [claims_of(tokens)["jti"]]
    refused = await auth.client.get("/logins", headers=bearer(tokens))
    assert (refused.status_code, refused.json()["reason"]) == (401, "token_revoked")
    assert (await auth.client.get("/logins", headers=bearer(next_ones))).status_code == 200
    assert await revoked(auth) == []


async def test_what_is_no_token_of_ours_is_as_good_as_revoked(auth: Auth) -> None:
    """Forged, expired, cut, nested, enormous: 200, and nothing on the log."""
    await auth.register()
    token = (await log_in(auth))["access_token"]
    head, payload, _ = token.split(".")
    deep = "W1tb" * 1500
    for bad in (token[:-9] + "AAAAAAAAA", f"{head}.{payload}.", f"{head}.{deep}.x", "a.b.c", "..", token * 20):
        assert await revoke(auth.client, bad) == (200, ""), bad[:40]
    auth.clock.now += 305
    assert await revoke(auth.client, token) == (200, "")
    assert await revoked(auth, "jti") == []


async def test_nobody_revokes_anothers_tokens(auth: Auth) -> None:
    """A service proves itself and can revoke what it was given by an exchange, and no more; nor can anybody its."""
    await auth.register()
    tokens = await log_in(auth)
    async with exchanging(auth) as orders:
        exchanged = (await orders.exchange(tokens["access_token"])).json()["access_token"]
        assert await revoke(orders.client, exchanged) == (400, "invalid_grant")
        for token in (tokens["access_token"], tokens["refresh_token"]):
            assert await revoke(orders.client, token, **by_assertion(orders)) == (400, "invalid_grant")
        assert await revoked(auth) == await revoked(auth, "jti") == []
        assert await revoke(orders.client, "A" * 43, **by_assertion(orders)) == (200, "")
        assert await revoke(orders.client, exchanged, **by_assertion(orders)) == (200, "")
        assert await revoked(auth, "jti") == [claims_of({"access_token": exchanged})["jti"]]
        for form in (
            {"client_id": ""},
            {"client_id": "orders"},
            by_assertion(orders) | {"client_assertion": "a.b.c"},
            by_assertion(orders) | {"client_id": "signet"},
        ):
            assert await revoke(orders.client, tokens["refresh_token"], **form) == (401, "invalid_client")
        assert await revoke(orders.client, "") == (400, "invalid_request")
    assert await revoked(auth) == []


async def test_what_was_revoked_cannot_be_exchanged(auth: Auth) -> None:
    """A subject token is looked up in the database: of a login that has ended, or revoked itself, it gets nothing."""
    await auth.register()
    one, other = await log_in(auth), await log_in(auth)
    await auth.client.post("/logout", headers=bearer(one))
    await revoke(auth.client, other["access_token"])
    async with exchanging(auth) as orders:
        for tokens, reason in ((one, "login_ended"), (other, "token_revoked")):
            refused = await orders.exchange(tokens["access_token"])
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
            assert refused.json()["reason"] == reason


async def test_a_revoked_key_is_called_by_its_name(auth: Auth) -> None:
    """Whether auth still knows the key or not, its tokens are refused as those of a key that was revoked."""
    await auth.register()
    tokens = await log_in(auth)
    stranger = FakeIssuer("http://localhost:8080", audience="urn:signet:auth", clock=auth.clock)
    gone = {"access_token": stranger.token()}
    assert await reason(auth, gone) == "unknown_kid"
    for kid in ("\0", "\ud800", "é" * 43, "0" * 43):
        assert await reason(auth, {"access_token": stranger.token(header={"kid": kid})}) in {"unknown_kid", "malformed"}
    async with database_of(auth) as database, database.writing() as connection:
        log = RevocationLog(database, remember_for=605, clock=auth.clock)
        kids = [jwt.get_unverified_header(each["access_token"])["kid"] for each in (tokens, gone)]
        await log.append(connection, RevocationKind.KEY, kids)
    assert [await reason(auth, each) for each in (tokens, gone)] == ["key_revoked"] * 2


async def reason(auth: Auth, tokens: dict[str, Any]) -> str:
    refused = await auth.client.get("/logins", headers=bearer(tokens))
    assert refused.status_code == 401
    return str(refused.json()["reason"])
