"""Refresh tokens: one successor for each, however often it is asked for, and an end for whoever uses an older one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from services.auth.tests.replicas import bearer, claims_of, database_of, log_in, open_logins_in, replica, revoked
from sqlalchemy import delete, select, text

from auth_service.database import logins, refresh_key, refresh_tokens
from auth_service.first_administrator import create_first_administrator
from auth_service.open_logins import end_logins
from auth_service.refresh_tokens import hash_of

if TYPE_CHECKING:
    import httpx
    from services.auth.tests.conftest import Auth, Start

PASSWORD = "correct horse battery"


async def refresh(auth: Auth, token: str, *, at: httpx.AsyncClient | None = None, **more: str) -> httpx.Response:
    return await (at or auth.client).post("/refresh", json={"refresh_token": token, **more})


async def refreshed(auth: Auth, token: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- as `refresh` takes it
    answer = await refresh(auth, token, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


async def assert_refused(auth: Auth, token: str) -> None:
    answer = await refresh(auth, token)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_grant")


async def test_the_next_tokens_are_of_the_same_login(auth: Auth) -> None:
    """Whatever a login began with it keeps: subject, id, time of the password, audience and scope; the rest is new."""
    await auth.register()
    first = await log_in(auth, resource=["urn:signet:orders", "urn:signet:auth"], scope="orders:read logins:manage")
    auth.clock.now += 250
    second = await refreshed(auth, first["refresh_token"])
    assert sorted(second) == sorted(first)
    before, after = claims_of(first), claims_of(second)
    same = ("iss", "sub", "aud", "client_id", "sid", "auth_time", "scope", "name")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["jti"] != before["jti"]
    assert (after["iat"], after["exp"]) == (before["iat"] + 250, before["iat"] + 550)
    assert second["refresh_token"] != first["refresh_token"]
    assert len(second["refresh_token"]) == 43


async def test_the_database_knows_no_refresh_token(auth: Auth, tmp_path: Path, database_kind: str) -> None:
    """Only hashes are stored: neither a token nor the key by which the next one is made is in the clear anywhere."""
    await auth.register()
    tokens = [(await log_in(auth))["refresh_token"]]
    tokens.append((await refreshed(auth, tokens[0]))["refresh_token"])
    async with database_of(auth) as database, database.reading() as connection:
        rows = list(await connection.execute(select(refresh_tokens)))
    assert {row.hash for row in rows} == {hash_of(token) for token in tokens}
    if database_kind == "sqlite":
        stored = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
        assert not any(token.encode() in stored for token in tokens)


async def test_an_answer_that_was_lost_can_be_had_again(auth: Auth) -> None:
    """As long as the successor is unused, its parent leads to it, also after more than the grace; nobody is out."""
    await auth.register()
    token = (await log_in(auth))["refresh_token"]
    successor = (await refreshed(auth, token))["refresh_token"]
    for wait in (0, 9, 60, 1700):
        auth.clock.now += wait
        assert (await refreshed(auth, token))["refresh_token"] == successor
    auth.clock.now += 1700  # asking again was a use: the login is not idle
    assert (await refreshed(auth, successor))["refresh_token"] not in {token, successor}
    assert await revoked(auth) == []


async def test_a_tab_that_comes_late_is_let_in_for_a_while(auth: Auth) -> None:
    """For 10 s after the successor was used its parent still leads to it; after that the parent ends the family."""
    await auth.register()
    tokens = await log_in(auth)
    parent = tokens["refresh_token"]
    successor = (await refreshed(auth, parent))["refresh_token"]
    auth.clock.now += 100
    newest = (await refreshed(auth, successor))["refresh_token"]
    auth.clock.now += 10
    assert (await refreshed(auth, parent))["refresh_token"] == successor
    assert (await refreshed(auth, successor))["refresh_token"] == newest
    assert await revoked(auth) == []
    auth.clock.now += 0.5
    await assert_refused(auth, parent)
    assert await revoked(auth) == [claims_of(tokens)["sid"]]


async def test_a_grandparent_gets_no_successor_and_ends_the_family(auth: Auth) -> None:
    """Whoever uses an older token ends the login for everyone, the holder of the newest one included."""
    await auth.register()
    tokens = await log_in(auth)
    family = [tokens["refresh_token"]]
    for _ in range(3):
        auth.clock.now += 11
        family.append((await refreshed(auth, family[-1]))["refresh_token"])
    other = await log_in(auth)
    auth.clock.now += 11
    await assert_refused(auth, family[1])
    for token in reversed(family):
        await assert_refused(auth, token)
    refused = await auth.client.get("/logins", headers=bearer(tokens))
    assert (refused.status_code, refused.json()["reason"]) == (401, "login_ended")
    assert await revoked(auth) == [claims_of(tokens)["sid"]]
    await refreshed(auth, other["refresh_token"])  # another login of theirs goes on


async def test_an_old_token_asks_for_nothing_without_ending_its_login(auth: Auth) -> None:
    """Nor with a scope that was never granted: whoever has an old token learns nothing but that it is over."""
    await auth.register()
    tokens = await log_in(auth, scope="orders:read logins:manage")
    family = [tokens["refresh_token"]]
    for _ in range(3):
        auth.clock.now += 11
        family.append((await refreshed(auth, family[-1]))["refresh_token"])
    for token in family[2:]:
        answer = await refresh(auth, token, scope="keys:manage")
        assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_scope")
    auth.clock.now += 11
    answer = await refresh(auth, family[0], scope="keys:manage")
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_grant")
    assert await revoked(auth) == [claims_of(tokens)["sid"]]


@pytest.mark.parametrize("token", ["", "nonsense", "A" * 43, "A" * 200, "é" * 43, "\x00"])
async def test_a_token_that_nobody_was_given_gets_nothing(auth: Auth, token: str) -> None:
    """It is refused in the words in which a used one is."""
    await assert_refused(auth, token)


async def test_a_login_ends_when_nobody_goes_on_with_it(auth: Auth) -> None:
    """After 30 min without a refresh there is no other; each one begins them anew."""
    await auth.register()
    token = (await log_in(auth))["refresh_token"]
    for _ in range(3):
        auth.clock.now += 1799.9
        token = (await refreshed(auth, token))["refresh_token"]
    auth.clock.now += 1800
    await assert_refused(auth, token)


async def test_a_login_ends_after_twelve_hours_whatever_is_done(auth: Auth) -> None:
    """And so does the last access token; what was known of the family is taken away by a later login, not before."""
    await auth.register()
    first = await log_in(auth)
    token = first["refresh_token"]
    for _ in range(43_200 // 1700):
        auth.clock.now += 1700
        token = (await refreshed(auth, token))["refresh_token"]
    auth.clock.now = claims_of(first)["auth_time"] + 43_200 - 30.5
    last = await refreshed(auth, token)
    assert claims_of(last)["exp"] == claims_of(first)["auth_time"] + 43_200
    assert last["expires_in"] == last["refresh_expires_in"] == 31
    await log_in(auth)
    async with database_of(auth) as database:

        async def remembered() -> int:
            async with database.reading() as connection:
                of_login = select(refresh_tokens.c.hash).where(refresh_tokens.c.sid == claims_of(first)["sid"])
                return len(list(await connection.execute(of_login)))

        assert await remembered() == 43_200 // 1700 + 2
        auth.clock.now += 30.5
        await assert_refused(auth, last["refresh_token"])
        await open_logins_in(database, auth).prune()
        assert await remembered() == 0


async def test_the_lives_are_settings(start: Start, grown_up: Path, tmp_path: Path) -> None:
    """Idle life, absolute life and grace can be fractions of a second, as where everything is shortened by a factor."""
    shutil.copytree(grown_up, tmp_path, dirs_exist_ok=True)
    async with start(refresh_grace=0.1, refresh_idle_life=18, login_life=432, access_token_life=3) as auth:
        await auth.register()
        token = (await log_in(auth))["refresh_token"]
        successor = (await refreshed(auth, token))["refresh_token"]
        await refreshed(auth, successor)
        auth.clock.now += 0.09
        assert (await refreshed(auth, token))["refresh_token"] == successor
        auth.clock.now += 0.02
        await assert_refused(auth, token)


async def test_a_refresh_can_ask_for_less(auth: Auth) -> None:
    """Less scope for one access token; the next one has all again, and more than was granted there never is."""
    await auth.register()
    token = (await log_in(auth, scope="profile:read orders:read orders:write"))["refresh_token"]
    narrowed = await refreshed(auth, token, scope="orders:read")
    assert narrowed["scope"] == claims_of(narrowed)["scope"] == "orders:read"
    for scope in ("orders:read logins:manage", "keys:manage", "nobody:has"):
        refused = await refresh(auth, narrowed["refresh_token"], scope=scope)
        assert (refused.status_code, refused.json()["reason"]) == (400, "invalid_scope")
    auth.clock.now += 11
    # What was refused has used nothing: the parent still leads there.
    assert (await refreshed(auth, token))["refresh_token"] == narrowed["refresh_token"]
    assert (await refreshed(auth, narrowed["refresh_token"]))["scope"] == "profile:read orders:read orders:write"


async def test_who_is_no_administrator_any_more_refreshes_as_anybody(auth: Auth) -> None:
    """A scope that was granted and cannot be had now is left out."""
    await create_first_administrator(auth.settings, email="root@example.com", name="Root", password=PASSWORD)
    tokens = await log_in(auth, "root@example.com", scope="orders:read keys:manage")
    async with database_of(auth) as database, database.writing() as connection:
        await connection.execute(text("UPDATE accounts SET administrator = false, name = 'Ada'"))
    after = await refreshed(auth, tokens["refresh_token"])
    assert after["scope"] == "orders:read"
    assert claims_of(after)["name"] == "Ada"


@pytest.mark.parametrize("change", [{}, {"refresh_token": None}, {"refresh_token": "A" * 201}, {"client_id": "signet"}])
async def test_a_refresh_that_cannot_be_is_refused_by_name(auth: Auth, change: dict[str, Any]) -> None:
    """And what stood there is not repeated."""
    body = change if "client_id" not in change else {"refresh_token": "A" * 43, **change}
    answer = await auth.client.post("/refresh", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_body")
    assert "AAAA" not in answer.text


async def test_with_another_server_key_an_answer_is_gone_and_the_login_lives_on(auth: Auth) -> None:
    """A lost answer cannot be made again after the key was lost, and that is no theft: the newest token still works."""
    await auth.register()
    used = (await log_in(auth))["refresh_token"]
    newest = (await refreshed(auth, used))["refresh_token"]
    async with database_of(auth) as database, database.writing() as connection:
        await connection.execute(delete(refresh_key))
    async with replica(auth) as other:
        answer = await refresh(auth, used, at=other)
        assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_grant")
        assert await revoked(auth) == []
        following = await refreshed(auth, newest, at=other)
        # Older than the rule allows is older by any key.
        auth.clock.now += 11
        assert (await refresh(auth, used, at=other)).status_code == 400
        assert len(await revoked(auth)) == 1
        assert (await refresh(auth, following["refresh_token"], at=other)).status_code == 400


async def test_twenty_at_once_get_one_successor(auth: Auth) -> None:
    """One token, twenty refreshes at the same moment at two replicas: one successor, and everybody stays logged in."""
    await auth.register()
    token = (await log_in(auth))["refresh_token"]
    async with replica(auth) as other:
        for _ in range(3):
            clients = [auth.client, other] * 10
            answers = await asyncio.gather(*(refresh(auth, token, at=client) for client in clients))
            assert [answer.status_code for answer in answers] == [200] * 20
            tokens = [answer.json() for answer in answers]
            assert len({each["refresh_token"] for each in tokens}) == 1
            assert len({claims_of(each)["sid"] for each in tokens}) == 1
            token = tokens[0]["refresh_token"]
            auth.clock.now += 300
    assert await revoked(auth) == []
    async with database_of(auth) as database, database.reading() as connection:
        used = [row.used_at is not None for row in await connection.execute(select(refresh_tokens))]
        assert sorted(used) == [False, True, True, True]


async def test_what_waits_for_a_logout_gets_nothing(auth: Auth) -> None:
    """A token that is used while its login is being ended comes after that, at every replica."""
    await auth.register()
    used = (await log_in(auth))["refresh_token"]
    newest = (await refreshed(auth, used))["refresh_token"]
    async with replica(auth) as other, database_of(auth) as database:
        async with database.writing() as connection:
            assert len(await end_logins(connection, logins.c.sid != "", now=auth.clock())) == 1
            waiting = [asyncio.create_task(refresh(auth, newest, at=client)) for client in (auth.client, other)]
            done, _ = await asyncio.wait(waiting, timeout=0.2)
            assert not done
        for answer in await asyncio.gather(*waiting):
            assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_grant")
        await assert_refused(auth, used)


async def test_a_logout_that_meets_refreshes_has_the_last_word(auth: Auth) -> None:
    """However they are interleaved: once logout has answered, no token of that login leads to anything."""
    await auth.register()
    async with replica(auth) as other:
        for number in range(6):
            tokens = await log_in(auth)
            used = tokens["refresh_token"]
            newest = (await refreshed(auth, used))["refresh_token"]
            got = {used, newest}

            async def refreshing(token: str, client: httpx.AsyncClient, got: set[str] = got) -> None:
                answer = await refresh(auth, token, at=client)
                assert answer.status_code in {200, 400}
                if answer.status_code == 200:
                    got.add(answer.json()["refresh_token"])

            async def logging_out(tokens: dict[str, Any] = tokens, turns: int = number) -> None:
                for _ in range(turns * 3):
                    await asyncio.sleep(0)
                answer = await other.post("/logout", headers=bearer(tokens))
                assert (answer.status_code, answer.json()["ended"]) == (200, 1)

            at_once = [refreshing(token, client) for token in (newest, used) for client in (auth.client, other)]
            await asyncio.gather(logging_out(), *at_once)
            for token in got:
                await assert_refused(auth, token)


async def test_the_token_endpoint_refreshes_too(auth: Auth) -> None:
    """`grant_type=refresh_token` from the public client: the same rotation in the words of OAuth."""
    await auth.register()
    token = (await log_in(auth))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "signet"}
    answer = await auth.client.post("/oauth/token", data=form | {"scope": "orders:read"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["scope"] == "orders:read"
    members = ["access_token", "expires_in", "refresh_expires_in", "refresh_token", "scope", "token_type"]
    assert sorted(answer.json()) == members
    assert answer.json()["refresh_token"] == (await refreshed(auth, token))["refresh_token"]
    for change, status, error in [
        ({"refresh_token": "A" * 43}, 400, "invalid_grant"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"scope": "keys:manage"}, 400, "invalid_scope"),
        ({"scope": " "}, 400, "invalid_scope"),
        ({"resource": "urn:signet:orders"}, 400, "invalid_target"),
        ({"client_id": ""}, 400, "unauthorized_client"),
        ({"client_id": "orders"}, 400, "unauthorized_client"),
        ({"client_assertion": "x.y.z"}, 400, "unauthorized_client"),
        ({"client_assertion_type": "urn:x"}, 400, "unauthorized_client"),
    ]:
        refused = await auth.client.post("/oauth/token", data=form | change)
        assert (refused.status_code, refused.json()["error"]) == (status, error), change


async def test_a_login_that_is_refreshed_all_the_time_is_slowed_down(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 with Retry-After beyond what it has in hand and one time in 10 s; its token stays good, and leads on then."""
    monkeypatch.setattr("auth_service.refresh_tokens._IN_HAND", 2)
    await auth.register()
    used, token = "", (await log_in(auth))["refresh_token"]
    for _ in range(2):
        used, token = token, (await refreshed(auth, token))["refresh_token"]
    auth.clock.now += 3.5
    for _ in range(2):
        refused = await refresh(auth, token)
        assert (refused.status_code, refused.json()["reason"]) == (429, "too_many_refreshes")
        assert refused.headers["retry-after"] == "7"
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "signet"}
    refused = await auth.client.post("/oauth/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
    assert (await refreshed(auth, used))["refresh_token"] == token  # a lost answer makes no row
    auth.clock.now += 6.5
    token = (await refreshed(auth, token))["refresh_token"]
    assert (await refresh(auth, token)).headers["retry-after"] == "10"


async def test_a_replica_without_the_database_refuses_nobody_for_good(auth: Auth) -> None:
    """A login that cannot be looked up gets 503 with Retry-After, at the middleware too, and nothing is used."""
    await auth.register()
    tokens = await log_in(auth)
    async with database_of(auth) as database, database.writing() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("LOCK TABLE refresh_tokens, logins IN ACCESS EXCLUSIVE MODE"))
        answer = await refresh(auth, tokens["refresh_token"])
        assert (answer.status_code, answer.json()["reason"]) == (503, "storage_unavailable")
        if connection.dialect.name == "postgresql":  # on SQLite one can read meanwhile
            answer = await auth.client.get("/logins", headers=bearer(tokens))
            assert (answer.status_code, answer.json()["reason"]) == (503, "storage_unavailable")
            assert answer.headers["retry-after"] == "1"
    await refreshed(auth, tokens["refresh_token"])
