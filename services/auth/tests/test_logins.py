"""A login: what it gives to whom, and what it gives away to nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from argon2 import Parameters, extract_parameters
from argon2.profiles import CHEAPEST
from sqlalchemy import Engine, event
from tests.postgresql_plugin import on_one_database

from auth_service.first_administrator import create_first_administrator
from auth_service.passwords import LONGEST_WAIT, Overloaded, Passwords, argon2id
from auth_service.scopes import RESOURCES
from token_verification import AccessTokenVerifier, InvalidToken, StaticKeySet
from token_verification.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx
    from services.auth.tests.conftest import Auth, Start

FOR_EVERYONE = "profile:read profile:write orders:read orders:write logins:manage"
FOR_ADMINISTRATORS = "profiles:read orders:ship accounts:manage keys:manage"
PASSWORD = "correct horse battery"


async def test_a_token_has_exactly_the_claims_of_the_protocol(auth: Auth) -> None:
    """The header says algorithm, type and key; the payload everything a service needs, and no e-mail."""
    sub = await auth.register()
    answer = await auth.log_in()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body == {"access_token": body["access_token"], "token_type": "Bearer", "expires_in": 300,
                    "scope": FOR_EVERYONE, "refresh_token": body["refresh_token"],
                    "refresh_expires_in": 1800}  # fmt: skip
    assert len(body["refresh_token"]) == 43  # 256 bits
    published = (await auth.client.get("/.well-known/jwks.json")).json()["keys"]
    assert jwt.get_unverified_header(body["access_token"]) == {
        "alg": "RS256",
        "typ": "at+jwt",
        "kid": published[0]["kid"],
    }
    claims = claims_of(answer)
    now = int(auth.clock())
    assert claims == {
        "iss": "http://localhost:8080",
        "sub": sub,
        "aud": list(RESOURCES),
        "client_id": "signet",
        "iat": now,
        "exp": now + 300,
        "jti": claims["jti"],
        "sid": claims["sid"],
        "auth_time": now,
        "scope": FOR_EVERYONE,
        "name": "Ada",
    }
    assert len({claims["jti"], claims["sid"], sub}) == 3


async def test_each_login_and_each_token_has_an_id_of_its_own(auth: Auth) -> None:
    """Two logins of one person are two: ending one must leave the other."""
    await auth.register()
    one, other = claims_of(await auth.log_in()), claims_of(await auth.log_in())
    assert one["sid"] != other["sid"]
    assert one["jti"] != other["jti"]
    assert one["sub"] == other["sub"]


async def test_the_librarys_verifier_accepts_what_auth_issues(auth: Auth) -> None:
    """A token from a login passes the whole policy at each audience it names, and at no other."""
    await auth.register(name="Zoë 👩‍🚀 " + "\U0001d538" * 90)
    keys = StaticKeySet((await auth.client.get("/.well-known/jwks.json")).json())
    token = (await auth.log_in(resource=["urn:signet:orders", "urn:signet:profile"])).json()["access_token"]

    def at(audience: str) -> AccessTokenVerifier:
        return AccessTokenVerifier(issuer="http://localhost:8080", audience=audience, key_set=keys, clock=auth.clock)

    for audience in ("urn:signet:profile", "urn:signet:orders"):
        caller = await at(audience).verify(token)
        assert caller.scope == frozenset(FOR_EVERYONE.split())
    with pytest.raises(InvalidToken) as refused:
        await at("urn:signet:auth").verify(token)
    assert refused.value.reason == "wrong_audience"
    auth.clock.now += 306
    with pytest.raises(InvalidToken) as refused:
        await at("urn:signet:profile").verify(token)
    assert refused.value.reason == "expired"


@pytest.mark.parametrize(
    ("asked", "audience"),
    [
        ("urn:signet:orders", ["urn:signet:orders"]),
        (["urn:signet:auth"], ["urn:signet:auth"]),
        (["urn:signet:orders", "urn:signet:profile", "urn:signet:orders"], ["urn:signet:profile", "urn:signet:orders"]),
        (None, list(RESOURCES)),
    ],
)
async def test_a_login_can_ask_for_fewer_audiences(auth: Auth, asked: object, audience: list[str]) -> None:
    """`resource` is one resource or several, and the token is for those alone."""
    await auth.register()
    assert claims_of(await auth.log_in(resource=asked))["aud"] == audience


async def test_a_further_resource_is_one_like_the_others(start: Start) -> None:
    """What an operator has added is named by default, and can be asked for alone."""
    async with start(further_resources=["urn:signet:greetings"]) as auth:
        await auth.register()
        assert claims_of(await auth.log_in())["aud"] == [*RESOURCES, "urn:signet:greetings"]
        assert claims_of(await auth.log_in(resource="urn:signet:greetings"))["aud"] == ["urn:signet:greetings"]


@pytest.mark.parametrize("asked", ["urn:signet:nowhere", ["urn:signet:orders", "https://evil.example"], "", "orders"])
async def test_an_unknown_audience_is_an_error(auth: Auth, asked: object) -> None:
    """A resource that is none of ours gets 400 `invalid_target`, and nothing is counted or hashed for it."""
    answer = await auth.log_in(resource=asked)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_target")
    assert auth.hasher.verified == []


async def test_a_login_can_ask_for_fewer_scopes(auth: Auth) -> None:
    """The token has the scopes that were asked for, each once, and the answer says which."""
    await auth.register()
    answer = await auth.log_in(scope="orders:read profile:read orders:read")
    assert answer.json()["scope"] == claims_of(answer)["scope"] == "profile:read orders:read"


@on_one_database
@pytest.mark.parametrize(
    "scope", [*FOR_ADMINISTRATORS.split(), "nobody:has", "orders:read accounts:manage", "ORDERS:READ"]
)
async def test_nobody_gets_a_scope_that_is_not_theirs(auth: Auth, scope: str) -> None:
    """An administrators' or an unknown scope gets an ordinary account 400 `invalid_scope`, and no token."""
    await auth.register()
    answer = await auth.log_in(scope=scope)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_scope")


async def test_an_administrator_may_have_more(auth: Auth) -> None:
    """An administrator gets the four scopes of administration, or fewer on request."""
    await create_first_administrator(auth.settings, email="root@example.com", name="Root", password=PASSWORD)
    assert (await auth.log_in("root@example.com")).json()["scope"] == f"{FOR_EVERYONE} {FOR_ADMINISTRATORS}"
    assert (await auth.log_in("root@example.com", scope="keys:manage")).json()["scope"] == "keys:manage"


async def test_a_scope_that_nobody_has_is_an_error_for_everyone(auth: Auth) -> None:
    """It is refused whoever asks, before anything is counted or hashed."""
    answer = await auth.log_in("nobody@example.com", scope="nobody:has")
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_scope")
    assert auth.hasher.verified == []


def test_nobodys_password_opens_nothing() -> None:
    """Even the password behind the hash that unknown users are verified against is not a right one."""
    passwords = Passwords(threads=1, queue=0)
    passwords._nobodys_hash = passwords.hash(PASSWORD)
    assert not passwords.verify(PASSWORD, None)
    assert passwords.verify(PASSWORD, passwords._nobodys_hash)


@pytest.mark.parametrize(("waited", "done"), [(LONGEST_WAIT, ["hashed"]), (LONGEST_WAIT + 0.01, [])])
async def test_nothing_is_hashed_for_somebody_who_has_waited_too_long(waited: float, done: list[str]) -> None:
    """Work that cannot begin in time is refused, and not done: whoever asked for it was told to come back."""
    clock = FakeClock()
    passwords = Passwords(threads=1, queue=1, clock=clock)
    free, hashed = threading.Event(), list[str]()
    busy = asyncio.ensure_future(passwords.run(lambda: free.wait(10)))
    waiting = asyncio.ensure_future(passwords.run(lambda: hashed.append("hashed")))
    await clock.advance(waited)
    free.set()
    assert await busy
    (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
    assert hashed == done
    assert (outcome is None) == bool(done)
    assert done or isinstance(outcome, Overloaded)
    passwords.close()


async def test_whoever_would_wait_too_long_finds_no_place() -> None:
    """Once it is known how long a hash takes here, nobody is let into a queue in which they would not be served."""
    clock = FakeClock()
    passwords = Passwords(threads=1, queue=100, clock=clock)

    def take_a_while() -> None:
        clock.now += LONGEST_WAIT / 3

    with contextlib.ExitStack() as places:
        for _ in range(10):
            places.enter_context(passwords.place())  # nothing is known yet
    for _ in range(50):
        await passwords.run(take_a_while)
    with contextlib.ExitStack() as places:
        for _ in range(4):  # the last of them has to wait for three others, and just not too long
            places.enter_context(passwords.place())
        with pytest.raises(Overloaded):
            places.enter_context(passwords.place())
    passwords.close()


async def test_hashing_stands_back_behind_everything_else() -> None:
    """The threads that hash are nicer than the one that answers, where each has a niceness of its own: on Linux."""
    passwords = Passwords(threads=1, queue=0)
    nicer = await passwords.run(lambda: os.getpriority(os.PRIO_PROCESS, 0))
    assert nicer == min(19, os.getpriority(os.PRIO_PROCESS, 0) + (10 if sys.platform == "linux" else 0))
    passwords.close()


async def test_a_scope_one_cannot_have_tells_no_password_from_another(auth: Auth) -> None:
    """Whether a scope can be had is said only to whoever has proved who they are."""
    await auth.register()
    wrong = await auth.log_in(password="not this one", scope="keys:manage")
    assert wrong.status_code == 401


async def test_a_scope_one_cannot_have_is_logged_like_a_wrong_password(
    auth: Auth, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody at work with a stolen password shows in the log too: why they failed, and no more of it."""
    await auth.register()
    capsys.readouterr()
    await auth.log_in(scope="keys:manage")
    await auth.log_in(password="not this one")
    said = capsys.readouterr().out
    events = [line for line in said.splitlines() if "login_failed" in line]
    assert ["reason=invalid_scope" in events[0], "reason=wrong_credentials" in events[1]] == [True, True]
    assert len({line.partition("account=")[2].split()[0] for line in events}) == 1
    assert not any(secret in said for secret in (PASSWORD, "not this one", "ada@example.com"))


@on_one_database
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"resource": []}, "resource"),
        ({"resource": 7}, "resource"),
        ({"resource": ["urn:signet:orders", 7]}, "resource[1]"),
        ({"resource": ["urn:signet:orders"] * 11}, "resource"),
        ({"resource": {"a": "b"}}, "resource"),
        ({"scope": ""}, "scope"),
        ({"scope": "orders:read  orders:write"}, "scope"),
        ({"scope": " orders:read"}, "scope"),
        ({"scope": ["orders:read"]}, "scope"),
        ({"scope": "é"}, "scope"),
        ({"scope": "a" * 1001}, "scope"),
        ({"transport": "cookie"}, "transport"),
        ({"email": "nobody"}, "email"),
        ({"password": None}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"remember\u202eme\n" + "x" * 300: True}, "remember?me?" + "x" * 188),
    ],
)
async def test_a_login_that_cannot_be_is_refused_by_name(auth: Auth, change: dict[str, object], field: str) -> None:
    """What is wrong is named, an unknown field too: whoever asks for what is not there must not believe to have it."""
    answer = await auth.client.post("/login", json={"email": "ada@example.com", "password": PASSWORD} | change)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_body")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_password_is_the_same_however_it_is_typed(auth: Auth) -> None:
    """Composed and decomposed letters are the same password; other letter case is another."""
    await auth.register(password="Käse und Brötchen")
    assert (await auth.log_in(password="Ka\u0308se und Bro\u0308tchen")).status_code == 200
    assert (await auth.log_in(password="käse und brötchen")).status_code == 401


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement that any database runs meanwhile, but for the schedule of keys, which asks when it is time to."""
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        task = asyncio.current_task()
        if task is None or task.get_name() != "key_schedule":
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


async def test_an_unknown_user_and_a_wrong_password_are_the_same_case(start: Start, statements: list[str]) -> None:
    """Neither the answer nor the work done for it tells whether an e-mail has an account.

    The work is compared and not the clock: as many verifications at the same cost, and the same statements.
    """
    production = extract_parameters(argon2id().hash("any"))
    async with start(parameters=production) as auth:
        await auth.register("ada@example.com")
        await auth.log_in("ada@example.com", "not her password")  # the first of all has one cost that comes but once
        seen = []
        for email, password in [
            ("ada@example.com", "not her password"),
            ("eve@example.com", "not her password"),
            ("ada@example.com", "x" * 1000),
            ("eve@example.com", "x" * 1000),
            ("eve@example.com", ""),
        ]:
            statements.clear()
            auth.hasher.verified.clear()
            auth.hasher.hashed = 0
            answer = await auth.log_in(email, password)
            headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
            seen.append(
                (
                    answer.status_code,
                    answer.content,
                    headers,
                    list(auth.hasher.verified),
                    auth.hasher.hashed,
                    list(statements),
                )
            )
        assert all(case == seen[0] for case in seen[1:])
        status, _, headers, verified, hashed, _ = seen[0]
        assert (status, verified, hashed) == (401, [production], 0)
        assert headers["www-authenticate"] == 'Bearer realm="signet"'


@pytest.mark.parametrize("email", ["ada@example.com", "eve@example.com"])
async def test_the_first_of_all_logins_tells_nobody_apart(auth: Auth, email: str) -> None:
    """What a process needs for unknown users it makes at its first login, whoever that is."""
    await auth.register("ada@example.com")
    auth.hasher.hashed = 0
    assert (await auth.log_in(email, "not this one")).status_code == 401
    assert (auth.hasher.hashed, len(auth.hasher.verified)) == (1, 1)


def test_passwords_are_hashed_as_the_protocol_says() -> None:
    """Argon2id with 19 MiB, two passes, one lane."""
    parameters = extract_parameters(argon2id().hash("any"))
    assert (parameters.type.name, parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (
        "ID",
        19 * 1024,
        2,
        1,
    )


async def test_nothing_is_hashed_or_signed_in_the_event_loop(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many log in and register, no hash is computed and no token signed in the loop's own thread."""
    signed_in: set[int] = set()
    sign = jwt.encode

    def watched(*arguments: Any, **options: Any) -> str:  # noqa: ANN401 -- passed on as they are
        signed_in.add(threading.get_ident())
        return sign(*arguments, **options)

    monkeypatch.setattr("auth_service.access_tokens.jwt.encode", watched)
    auth.hasher.threads.clear()  # the hash of nobody's password is made before anything is served
    # Few enough that none of them waits so long for a turn to write that it gives up.
    await asyncio.gather(*(auth.register(f"user{number}@example.com") for number in range(6)))
    await asyncio.gather(*(auth.log_in(f"user{number}@example.com") for number in range(6)))
    assert auth.hasher.threads
    assert signed_in
    assert threading.get_ident() not in auth.hasher.threads | signed_in


async def test_a_full_queue_is_overload_and_costs_nobody_an_attempt(start: Start) -> None:
    """With all places taken, the next hears 503 at once with Retry-After; it is not counted as an attempt."""
    async with start(hashing_queue=2, attempts_per_account=4) as auth:
        await auth.register()
        answers = await asyncio.gather(*(auth.log_in(password="wrong") for _ in range(30)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) == 27
        assert {answer.json()["reason"] for answer in refused} == {"overloaded"}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert [answer.status_code for answer in answers if answer not in refused] == [401] * 3
        assert len(auth.hasher.verified) == 3
        assert (await auth.log_in()).status_code == 200  # the fourth attempt, and the places are free again


async def test_whoever_finds_no_place_is_told_so_before_anything_is_read(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """While all places are taken a body is not looked at; once one is free, it is. Both are counted by their route.

    The log has one line a second about those who were refused, and how many they were.
    """
    async with start(hashing_queue=0) as auth:
        await auth.register()
        both = threading.Barrier(2, timeout=10)
        auth.hasher.meanwhile = lambda: both.wait() + both.wait()
        login = asyncio.create_task(auth.log_in())
        await asyncio.to_thread(both.wait)  # its password is being verified,
        read = []

        async def body() -> AsyncIterator[bytes]:
            read.append("something")
            yield b"no JSON at all"

        for path in ("/login", "/register"):
            refused = await auth.client.post(path, content=body())
            assert (refused.status_code, refused.json()["reason"]) == (503, "overloaded")
            assert refused.headers["retry-after"] == "1"
        assert read == []
        auth.clock.now += 1
        await auth.client.post("/login", content=b"no JSON at all")
        assert (await auth.client.post("/refresh", content=b"no JSON at all")).status_code == 415
        await asyncio.to_thread(both.wait)  # and now goes on to be
        assert (await login).status_code == 200
        assert (await auth.client.post("/login", content=b"no JSON at all")).status_code == 415
        counted = (await auth.client.get("/metrics")).text
        assert 'method="POST",route="/login",status="503"} 2.0' in counted
        assert 'method="POST",route="/register",status="503"} 1.0' in counted
    said = [line for line in capsys.readouterr().out.splitlines() if "hashing_queue_full" in line]
    assert [line.rpartition("refused=")[2].split()[0] for line in said] == ["1", "2"]


async def test_a_registration_waits_in_the_same_queue(start: Start) -> None:
    """Registering hashes too, and is bounded by the same places."""
    async with start(hashing_queue=0) as auth:
        body = {"password": PASSWORD, "name": "Someone"}
        answers = await asyncio.gather(
            *(auth.client.post("/register", json=body | {"email": f"user{n}@example.com"}) for n in range(5))
        )
        assert sorted(answer.status_code for answer in answers) == [201, 503, 503, 503, 503]


async def test_a_hash_of_old_parameters_is_renewed_by_its_owner_alone(start: Start) -> None:
    """A right password renews an outdated hash; a wrong one does not, and never costs a second computation."""
    older = Parameters(CHEAPEST.type, 19, 16, 32, 2, 8, 1)
    newer = Parameters(CHEAPEST.type, 19, 16, 32, 1, 16, 1)
    async with start(parameters=older) as auth:
        await auth.register()
    async with start(parameters=newer) as auth:
        assert (await auth.log_in(password="wrong")).status_code == 401
        auth.hasher.hashed = 0
        assert (await auth.log_in(password="wrong")).status_code == 401
        assert (await auth.log_in()).status_code == 200
        assert auth.hasher.hashed == 1
        assert (await auth.log_in()).status_code == 200
        assert auth.hasher.hashed == 1
        assert [(used.memory_cost, used.time_cost) for used in auth.hasher.verified] == [
            (8, 2),
            (8, 2),
            (8, 2),
            (16, 1),
        ]


def claims_of(answer: httpx.Response) -> dict[str, Any]:
    """Return what a token says, unverified."""
    assert answer.status_code == 200, answer.text
    claims: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return claims
