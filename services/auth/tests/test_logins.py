"""A login: what it gives to whom, and what it gives away to nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from argon2 import extract_parameters
from sqlalchemy import Engine, event
from tests.postgresql_plugin import on_one_database

from auth_service.first_administrator import create_first_administrator
from auth_service.passwords import argon2id
from auth_service.scopes import RESOURCES
from token_verification import AccessTokenVerifier, InvalidToken, StaticKeySet

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def claims_of(answer: httpx.Response) -> dict[str, Any]:
    """Return what a token says, unverified."""
    assert answer.status_code == 200, answer.text
    claims: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return claims
