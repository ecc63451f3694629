"""One's logins: seen, and ended, each ending answered after it is durable and with the log's seq."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from services.auth.tests.replicas import bearer, claims_of, database_of, log_in, open_logins_in, replica, revoked
from sqlalchemy import select, text, update

from auth_service import open_logins as open_logins_module
from auth_service.database import logins, refresh_tokens, revocation_head

if TYPE_CHECKING:
    import httpx
    from services.auth.tests.conftest import Auth, Start

NEW = "a staple of my own"


async def listed(auth: Auth, tokens: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await auth.client.get("/logins", headers=bearer(tokens))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return list(answer.json()["logins"])


async def assert_over(auth: Auth, *ended: dict[str, Any]) -> None:
    """Neither token of a login is good for anything."""
    for tokens in ended:
        refused = await auth.client.get("/logins", headers=bearer(tokens))
        assert (refused.status_code, refused.json()["reason"]) == (401, "login_ended")
        refused = await auth.client.post("/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert (refused.status_code, refused.json()["reason"]) == (400, "invalid_grant")


async def assert_ended(auth: Auth, answer: httpx.Response, number: int) -> None:
    """Check that an answer says how many logins were ended, and the seq that the log has reached."""
    assert answer.status_code == 200, answer.text
    async with database_of(auth) as database, database.reading() as connection:
        head = (await connection.execute(select(revocation_head.c.seq))).scalar_one()
    assert answer.json() == {"ended": number, "seq": head}


async def test_one_sees_ones_own_open_logins(auth: Auth) -> None:
    """Device, address, beginning, last use, and which one asks; the last used first, nobody else's, none that ended."""
    await auth.register()
    await auth.register("eve@example.com", name="Eve")
    await log_in(auth, "eve@example.com")
    auth.client.headers["User-Agent"] = "Phone/1.0 (cut\x07)" + "x" * 300
    auth.client.headers["Forwarded"] = 'for="[2001:db8:1:2:3::4]"'
    phone = await log_in(auth)
    auth.clock.now += 60
    auth.client.headers["User-Agent"] = ""
    auth.client.headers["Forwarded"] = "for=192.0.2.7"
    desk = await log_in(auth)
    gone = await log_in(auth)
    await auth.client.post("/logout", headers=bearer(gone))
    auth.clock.now += 60.5
    await auth.client.post("/refresh", json={"refresh_token": phone["refresh_token"]})
    assert await listed(auth, desk) == [
        {
            "sid": claims_of(phone)["sid"],
            "device": "Phone/1.0 (cut?)" + "x" * 184,
            "address": "2001:db8:1:2::/64",
            "created_at": "2027-01-15T08:00:00Z",
            "last_used_at": "2027-01-15T08:02:00.500000Z",
            "current": False,
        },
        {
            "sid": claims_of(desk)["sid"],
            "device": "unknown",
            "address": "192.0.2.7",
            "created_at": "2027-01-15T08:01:00Z",
            "last_used_at": "2027-01-15T08:01:00Z",
            "current": True,
        },
    ]
    auth.clock.now += 1790  # the desk's is idle now
    tokens = await log_in(auth)
    assert len(await listed(auth, tokens)) == 2


async def test_one_login_is_ended_and_no_other(auth: Auth) -> None:
    """By its id, from any of one's logins; somebody else's, an unknown one and one that has ended are 404."""
    await auth.register()
    await auth.register("eve@example.com", name="Eve")
    one, other, eves = await log_in(auth), await log_in(auth), await log_in(auth, "eve@example.com")
    sid = claims_of(one)["sid"]
    for wrong in (claims_of(eves)["sid"], "0" * 32, "x" * 100):
        answer = await auth.client.delete(f"/logins/{wrong}", headers=bearer(other))
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found"), wrong
    for impossible in ("%00", "%ED%A0%80", "x" * 101):
        answer = await auth.client.delete(f"/logins/{impossible}", headers=bearer(other))
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_parameters"), impossible
    assert await revoked(auth) == []
    await assert_ended(auth, await auth.client.delete(f"/logins/{sid}", headers=bearer(other)), 1)
    await assert_over(auth, one)
    assert await revoked(auth) == [sid]
    assert (await auth.client.delete(f"/logins/{sid}", headers=bearer(other))).status_code == 404
    assert [login["current"] for login in await listed(auth, other)] == [True]
    assert len(await listed(auth, eves)) == 1


async def test_logout_ends_this_login(auth: Auth) -> None:
    """By its access token, at every replica; once more is refused, because the token is dead."""
    await auth.register()
    this, other = await log_in(auth), await log_in(auth)
    async with replica(auth) as elsewhere:
        await assert_ended(auth, await auth.client.post("/logout", headers=bearer(this)), 1)
        refused = await elsewhere.post("/logout", headers=bearer(this))
    assert (refused.status_code, refused.json()["reason"]) == (401, "login_ended")
    await assert_over(auth, this)
    assert len(await listed(auth, other)) == 1


@pytest.mark.parametrize("which", ["unused", "used", "older"])
async def test_logout_by_a_refresh_token_needs_nothing_else(auth: Auth, which: str) -> None:
    """For whoever's access token has expired or is for others: any token of the family does, and twice is harmless."""
    await auth.register()
    tokens = await log_in(auth, resource="urn:signet:orders", scope="orders:read")
    family = [tokens["refresh_token"]]
    for _ in range({"unused": 0, "used": 1, "older": 3}[which]):
        auth.clock.now += 400
        answer = await auth.client.post("/refresh", json={"refresh_token": family[-1]})
        family.append(answer.json()["refresh_token"])
    body = {"refresh_token": family[0]}
    await assert_ended(auth, await auth.client.post("/logout", json=body), 1)
    assert (await auth.client.post("/refresh", json={"refresh_token": family[-1]})).status_code == 400
    assert await revoked(auth) == [claims_of(tokens)["sid"]]
    await assert_ended(auth, await auth.client.post("/logout", json=body), 0)
    await assert_ended(auth, await auth.client.post("/logout", json={"refresh_token": "nobody's"}), 0)


async def test_a_logout_of_nobody_holds_nobody_up(auth: Auth) -> None:
    """Anyone may send any token: one that is nobody's waits for no other that writes, and lets none wait."""
    await auth.register()
    tokens = await log_in(auth)
    async with database_of(auth) as database, database.writing() as connection:
        await connection.execute(update(revocation_head).values(seq=revocation_head.c.seq))
        async with asyncio.timeout(30):
            answer = await auth.client.post("/logout", json={"refresh_token": "nobody's"})
            assert (answer.status_code, answer.json()["ended"]) == (200, 0)
    assert len(await listed(auth, tokens)) == 1


async def test_what_is_left_of_a_login_goes_bit_by_bit(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its absolute life: its tokens first, a few at a time, and it when it has none. Others stay as they are."""
    monkeypatch.setattr(open_logins_module, "AT_ONCE", 3)
    await auth.register()
    token = (await log_in(auth))["refresh_token"]
    for _ in range(4):
        auth.clock.now += 11
        token = (await auth.client.post("/refresh", json={"refresh_token": token})).json()["refresh_token"]
    auth.clock.now += 43_200 - 50
    goes_on = await log_in(auth)
    async with database_of(auth) as database:
        open_logins = open_logins_in(database, auth)
        assert await open_logins.prune() == 0
        auth.clock.now += 10
        assert [await open_logins.prune() for _ in range(3)] == [3, 3, 0]
        async with database.reading() as connection:
            left = list((await connection.execute(select(logins.c.sid))).scalars())
            tokens = list((await connection.execute(select(refresh_tokens.c.sid))).scalars())
    assert left == tokens == [claims_of(goes_on)["sid"]]


async def test_logout_wants_one_proof(auth: Auth) -> None:
    """No token is 401 with a challenge, two are 400, and a token that may not manage logins is 403."""
    await auth.register()
    tokens = await log_in(auth)
    narrow = await log_in(auth, scope="orders:read")
    answer = await auth.client.post("/logout")
    assert (answer.status_code, answer.json()["reason"]) == (401, "no_credentials")
    assert answer.headers["www-authenticate"] == "Bearer"
    both = await auth.client.post("/logout", headers=bearer(tokens), json={"refresh_token": tokens["refresh_token"]})
    assert (both.status_code, both.json()["reason"]) == (400, "invalid_request")
    for method, path in [("POST", "/logout"), ("POST", "/logout/everywhere"), ("GET", "/logins"), ("PUT", "/password")]:
        answer = await auth.client.request(method, path, headers=bearer(narrow))
        assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope"), path
        assert answer.json()["scope"] == "logins:manage"
    assert await revoked(auth) == []


async def test_logout_everywhere_ends_all(auth: Auth) -> None:
    """All logins of one person, this one too, and of nobody else."""
    await auth.register()
    await auth.register("eve@example.com", name="Eve")
    mine = [await log_in(auth) for _ in range(3)]
    eves = await log_in(auth, "eve@example.com")
    await assert_ended(auth, await auth.client.post("/logout/everywhere", headers=bearer(mine[1])), 3)
    await assert_over(auth, *mine)
    assert sorted(await revoked(auth)) == sorted(claims_of(tokens)["sid"] for tokens in mine)
    assert len(await listed(auth, eves)) == 1


async def test_of_many_endings_at_once_each_login_is_ended_by_one(auth: Auth) -> None:
    """Ten people's worth of endings at two replicas: no deadlock, no 5xx, every login on the log once."""
    await auth.register()
    mine = [await log_in(auth) for _ in range(10)]
    async with replica(auth) as other:
        answers = await asyncio.gather(
            *(
                client.post("/logout/everywhere", headers=bearer(tokens))
                for tokens in mine[:4]
                for client in (auth.client, other)
            )
        )
    assert {answer.status_code for answer in answers} <= {200, 401}
    assert sum(answer.json()["ended"] for answer in answers if answer.status_code == 200) == 10
    assert sorted(await revoked(auth)) == sorted(claims_of(tokens)["sid"] for tokens in mine)


async def change_password(auth: Auth, tokens: dict[str, Any], current: str, new: str) -> httpx.Response:
    body = {"current_password": current, "new_password": new}
    return await auth.client.put("/password", headers=bearer(tokens), json=body)


async def test_another_password_ends_the_other_logins(auth: Auth) -> None:
    """The one that asks goes on; the old password is dead, and the attempts that were counted are forgotten."""
    await auth.register()
    this, *others = [await log_in(auth) for _ in range(3)]
    for _ in range(9):
        answer = await change_password(auth, this, "not this one", NEW)
        assert (answer.status_code, answer.json()["reason"]) == (403, "wrong_password")
    assert await revoked(auth) == []
    await assert_ended(auth, await change_password(auth, this, "correct horse battery", NEW), 2)
    await assert_over(auth, *others)
    assert len(await listed(auth, this)) == 1
    assert (await auth.client.post("/refresh", json={"refresh_token": this["refresh_token"]})).status_code == 200
    assert (await auth.log_in()).status_code == 401
    assert (await auth.log_in(password=NEW)).status_code == 200


async def test_a_password_cannot_be_guessed_by_who_has_a_token(auth: Auth) -> None:
    """Wrong current passwords count as attempts to log in, before anything is hashed."""
    await auth.register()
    tokens = await log_in(auth)
    for _ in range(10):
        await change_password(auth, tokens, "not this one", NEW)
    auth.hasher.verified.clear()
    answer = await change_password(auth, tokens, "correct horse battery", NEW)
    assert (answer.status_code, answer.json()["reason"]) == (429, "too_many_attempts")
    assert auth.hasher.verified == []


@pytest.mark.parametrize("new", ["short", "password123", "ada@example.com", "x" * 129])
async def test_a_new_password_keeps_the_rules_of_registration(auth: Auth, new: str) -> None:
    """The field is named, nothing is counted, and nothing ends."""
    await auth.register()
    tokens = await log_in(auth)
    answer = await change_password(auth, tokens, "correct horse battery", new)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "new_password")
    assert (await auth.log_in()).status_code == 200


@pytest.mark.parametrize("change", ["password_changes = 1", "disabled_at = 1"])
async def test_a_login_that_was_proved_before_a_change_does_not_begin_after_it(auth: Auth, change: str) -> None:
    """Whoever has verified a password that is then changed, or of an account that is then disabled, gets no login."""
    await auth.register()
    loop = asyncio.get_running_loop()

    async def meanwhile() -> None:
        async with database_of(auth) as database, database.writing() as connection:
            await connection.execute(text(f"UPDATE accounts SET {change}"))

    auth.hasher.meanwhile = lambda: asyncio.run_coroutine_threadsafe(meanwhile(), loop).result(30)
    assert (await auth.log_in()).status_code == 401
    auth.hasher.meanwhile = lambda: None
    async with database_of(auth) as database, database.reading() as connection:
        assert (await connection.execute(select(logins.c.sid))).first() is None


async def test_another_login_ends_the_one_that_was_not_used_for_longest(
    start: Start, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an account has as many as it may have: in the same transaction, and on the log like any end. Of what was
    there before there was such a bound, each login ends a part.
    """
    await auth.register()
    await auth.register("eve@example.com", name="Eve")
    async with start(clock=auth.clock, logins_per_account=3) as few:
        somebody_elses = await log_in(few, "eve@example.com")
        logged_in = []
        for _ in range(4):
            few.clock.now += 1
            logged_in.append(await log_in(few))
            if len(logged_in) == 2:
                few.clock.now += 1
                answer = await few.client.post("/refresh", json={"refresh_token": logged_in[0]["refresh_token"]})
                logged_in[0] = answer.json()
        used_since, not_used, *others = logged_in
        await assert_over(few, not_used)
        assert await revoked(few) == [claims_of(not_used)["sid"]]
        assert len(await listed(few, used_since)) == 3
        for tokens in (somebody_elses, *others):
            assert await listed(few, tokens)
    monkeypatch.setattr(open_logins_module, "_ENDED_AT_A_TIME", 1)
    async with start(clock=auth.clock, logins_per_account=1) as fewer:
        for ended in (2, 3):
            await log_in(fewer)
            assert len(await revoked(fewer)) == ended
