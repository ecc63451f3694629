"""POST /oauth/token: who may ask, what may be asked, and how it is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from services.auth.tests.exchanging import ACCESS_TOKEN, FORM, GRANT, ISSUER, ORDERS, Exchanging, exchanging, read
from sqlalchemy import func, select
from tests.postgresql_plugin import on_one_database

from auth_service.database import used_assertions
from service_chassis.database import Database
from token_verification.testing import FakeIssuer, json_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx
    from services.auth.tests.conftest import Auth


@pytest.fixture
async def system(auth: Auth) -> AsyncIterator[Exchanging]:
    """Run a replica that knows orders, and register Ada."""
    await auth.register()
    async with exchanging(auth) as system:
        yield system


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, error and reason, having checked the shape: RFC 6749's and RFC 9457's in one document."""
    said = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert said["error_description"] == said["detail"]
    assert said["status"] == answer.status_code
    assert said["type"] == "about:blank"
    assert said["title"]
    # RFC 6749, section 5.2: what an error_description may be written in.
    assert all(" " <= char <= "~" and char not in '"\\' for char in said["error_description"])
    return answer.status_code, said["error"], said["reason"]


INVALID_CLIENT = (401, "invalid_client", "invalid_client")


async def test_an_exchange(system: Exchanging) -> None:
    """A form with a proof and somebody's token gets a token, and the members of RFC 8693, section 2.2.1."""
    answer = await system.exchange(await system.log_in(), scope="profile:read")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    said = answer.json()
    assert len(said.pop("access_token").split(".")) == 3
    assert said == {
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "profile:read",
    }


def signed_with_another_key(system: Exchanging) -> str:
    now = int(system.auth.clock())
    header = {"alg": "RS256", "typ": "client-authentication+jwt", "kid": system.service.key_id}
    claims = {"iss": "orders", "sub": "orders", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "x"}
    return system.service.sign(json_bytes(header), json_bytes(claims), key=system.service.attackers_key())


def signed_with_a_claim_twice(system: Exchanging) -> str:
    now = int(system.auth.clock())
    header = {"alg": "RS256", "typ": "client-authentication+jwt", "kid": system.service.key_id}
    claims = {"iss": "orders", "sub": "orders", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "x"}
    return system.service.sign(json_bytes(header), json_bytes(claims)[:-1] + b',"jti":"y"}')


FORGED: dict[str, Callable[[Exchanging], str]] = {
    "alg-none": lambda s: s.assertion(header={"alg": "none"}),
    "alg-hs256": lambda s: s.assertion(header={"alg": "HS256"}),
    "alg-rs512": lambda s: s.assertion(header={"alg": "RS512"}),
    "typ-jwt": lambda s: s.assertion(header={"typ": "JWT"}),
    "typ-feed": lambda s: s.assertion(header={"typ": "revocations+jwt"}),
    "typ-access-token": lambda s: s.assertion(header={"typ": "at+jwt"}),
    "kid-unknown": lambda s: s.assertion(header={"kid": "elsewhere"}),
    "key-in-the-header": lambda s: s.assertion(header={"jwk": s.service.jwk_set["keys"][0]}),
    "aud-token-endpoint": lambda s: s.assertion(aud=f"{ISSUER}/oauth/token"),
    "aud-internal": lambda s: s.assertion(aud="http://auth.test"),
    "aud-other": lambda s: s.assertion(aud="https://id.example"),
    "aud-and-more": lambda s: s.assertion(aud=[ISSUER, "https://id.example"]),
    "client-unknown": lambda s: s.assertion(iss="reports", sub="reports"),
    "client-of-logins": lambda s: s.assertion(iss="signet", sub="signet"),
    "iss-is-not-sub": lambda s: s.assertion(sub="profile"),
    "expired": lambda s: s.assertion(iat=int(s.auth.clock()) - 65, exp=int(s.auth.clock()) - 5),
    "life-too-long": lambda s: s.assertion(exp=int(s.auth.clock()) + 61),
    "from-the-future": lambda s: s.assertion(iat=int(s.auth.clock()) + 6),
    "jti-missing": lambda s: s.assertion(jti=None),
    "exp-missing": lambda s: s.assertion(exp=None),
    "iat-missing": lambda s: s.assertion(iat=None),
    "another-key": signed_with_another_key,
    "claim-twice": signed_with_a_claim_twice,
    "access-token": lambda s: s.signed(),
    "access-token-for-auth": lambda s: s.signed(aud=ISSUER, iss="orders", sub="orders"),
    "garbage": lambda _: "a.b.c",
    "oversize": lambda _: "a" * 9000,
}


async def test_whoever_is_not_a_client_hears_the_same(system: Exchanging) -> None:
    """Each forged assertion, none at all, and another method get one and the same 401: no check tells on itself."""
    token = await system.log_in()
    answers = {name: await system.exchange(token, client_assertion=make(system)) for name, make in FORGED.items()}
    answers["none"] = await system.exchange(token, client_assertion=None)
    answers["empty"] = await system.exchange(token, client_assertion="")
    answers["other-type"] = await system.exchange(token, client_assertion_type="urn:example:saml")
    answers["no-type"] = await system.exchange(token, client_assertion_type=None)
    answers["other-client-id"] = await system.exchange(token, client_id="profile")
    for name, answer in answers.items():
        assert refusal(answer) == INVALID_CLIENT, name
    assert len({answer.content for answer in answers.values()}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {'private_key_jwt realm="signet"'}
    assert (await system.exchange(token)).status_code == 200


async def test_an_assertion_is_good_once(system: Exchanging) -> None:
    """The second use of an assertion is refused like a forged one, also when the first one got nothing for it."""
    token = await system.log_in()
    assertion = system.assertion()
    assert (await system.exchange(token, client_assertion=assertion)).status_code == 200
    assert refusal(await system.exchange(token, client_assertion=assertion)) == INVALID_CLIENT
    other = system.assertion()
    assert refusal(await system.exchange(token, client_assertion=other, resource="urn:signet:auth"))[0] == 400
    assert refusal(await system.exchange(token, client_assertion=other)) == INVALID_CLIENT


async def test_of_two_uses_at_once_one_is_accepted(auth: Auth) -> None:
    """Sixteen requests with one assertion, to two replicas at the same moment: one token."""
    await auth.register()
    async with exchanging(auth) as one, exchanging(auth) as other:
        token = await one.log_in()
        # Both have the client's keys, so that nothing but the database decides.
        assert {(await each.exchange(token)).status_code for each in (one, other)} == {200}
        assertion = one.assertion()
        answers = await asyncio.gather(
            *(each.exchange(token, client_assertion=assertion) for each in (one, other) for _ in range(8))
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15


async def test_an_assertion_is_remembered_for_as_long_as_it_is_good(system: Exchanging) -> None:
    """Until its end and the leeway have passed, a used assertion stays used, through pruning; then it is forgotten."""
    token = await system.log_in()
    clock, start = system.auth.clock, system.auth.clock()
    used = system.assertion(exp=int(start) + 60)
    unused = [system.assertion(exp=int(start) + 60) for _ in range(2)]
    assert (await system.exchange(token, client_assertion=used)).status_code == 200
    clock.now = start + 64.9
    assert (await system.exchange(token, client_assertion=unused[0])).status_code == 200, "it is still good"
    assert refusal(await system.exchange(token, client_assertion=used)) == INVALID_CLIENT
    assert await _remembered(system) == 2
    clock.now = start + 65
    assert refusal(await system.exchange(token, client_assertion=unused[1])) == INVALID_CLIENT, "it has ended"
    clock.now = start + 131
    assert (await system.exchange(token)).status_code == 200
    assert await _remembered(system) == 1


async def _remembered(system: Exchanging) -> int:
    database = Database.of(system.auth.settings)
    try:
        async with database.reading() as connection:
            return int((await connection.execute(select(func.count()).select_from(used_assertions))).scalar_one())
    finally:
        await database.close()


async def test_the_same_id_of_another_client_is_another(auth: Auth) -> None:
    """Two clients may choose the same `jti`: neither can use up the other's."""
    await auth.register()
    profile = ORDERS | {
        "client_id": "profile",
        "audience": "urn:signet:profile",
        "may_ask": {"urn:signet:orders": ["orders:read"]},
    }
    async with exchanging(auth, services=[ORDERS, profile]) as system:
        token = await system.log_in()
        assert (await system.exchange(token, client_assertion=system.assertion(jti="1"))).status_code == 200
        other = system.assertion(iss="profile", sub="profile", jti="1")
        answer = await system.exchange(token, client_assertion=other, resource="urn:signet:orders")
    assert answer.status_code == 200
    assert read(answer.json()["access_token"])["act"] == {"sub": "profile"}


async def test_keys_are_fetched_when_first_needed_and_not_again(system: Exchanging) -> None:
    """A start fetches nothing, an unknown client causes nothing, a first proof one fetch, and further ones none."""
    token = await system.log_in()
    assert system.service.requests == 0
    await system.exchange(token, client_assertion=system.assertion(iss="reports", sub="reports"))
    assert system.service.requests == 0
    answers = await asyncio.gather(*(system.exchange(token) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert system.service.requests == 1


async def test_a_client_whose_keys_are_away_is_told_to_come_back(auth: Auth) -> None:
    """Nobody can tell, so it is 503 with Retry-After and never 401; once the keys are there, all is well."""
    await auth.register()
    service = FakeIssuer("orders")
    service.behaviour = "down"
    async with exchanging(auth, service) as system:
        token = await system.log_in()
        answer = await system.exchange(token)
        assert refusal(answer) == (503, "temporarily_unavailable", "keys_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        service.behaviour = "well"
        await asyncio.sleep(0.2)
        assert (await system.exchange(token)).status_code == 200
        # A known key never waits for a fetch, nor for a client that is away.
        service.behaviour = "hang"
        assert (await asyncio.wait_for(system.exchange(token), 2)).status_code == 200


async def test_nothing_goes_on_after_the_end(auth: Auth) -> None:
    """What was opened for a client is closed with the server."""
    await auth.register()
    before = asyncio.all_tasks()
    async with exchanging(auth) as system:
        await system.exchange(await system.log_in())
        assert asyncio.all_tasks() > before, "a refresh is waiting for its time"
    assert asyncio.all_tasks() <= before


REQUESTS: dict[str, tuple[dict[str, Any], tuple[int, str, str]]] = {
    "grant-missing": ({"grant_type": None}, (400, "invalid_request", "invalid_request")),
    "grant-empty": ({"grant_type": ""}, (400, "invalid_request", "invalid_request")),
    "grant-unknown": ({"grant_type": "password"}, (400, "unsupported_grant_type", "unsupported_grant_type")),
    "grant-of-clients": (
        {"grant_type": "client_credentials"},
        (400, "unsupported_grant_type", "unsupported_grant_type"),
    ),
    "grant-twice": ({"grant_type": [GRANT, GRANT]}, (400, "invalid_request", "invalid_request")),
    "scope-twice": ({"scope": ["profile:read", "profile:read"]}, (400, "invalid_request", "invalid_request")),
    "unknown-twice": ({"x": ["1", "2"]}, (400, "invalid_request", "invalid_request")),
    "token-missing": ({"subject_token": None}, (400, "invalid_request", "invalid_request")),
    "type-missing": ({"subject_token_type": None}, (400, "invalid_request", "invalid_request")),
    "type-other": (
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        (400, "invalid_request", "invalid_request"),
    ),
    "wants-another-type": (
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        (400, "invalid_request", "invalid_request"),
    ),
    "actor-token-type": (
        {"actor_token_type": "urn:ietf:params:oauth:token-type:access_token"},
        (400, "invalid_request", "invalid_request"),
    ),
    "actor-token": ({"actor_token": "a.b.c"}, (400, "invalid_request", "invalid_request")),
    "resource-missing": ({"resource": None}, (400, "invalid_target", "invalid_target")),
    "resource-empty": ({"resource": ""}, (400, "invalid_target", "invalid_target")),
    "resource-twice": ({"resource": ["urn:signet:profile"] * 2}, (400, "invalid_target", "invalid_target")),
    "resource-two": (
        {"resource": ["urn:signet:profile", "urn:signet:orders"]},
        (400, "invalid_target", "invalid_target"),
    ),
    "resource-own": ({"resource": "urn:signet:orders"}, (400, "invalid_target", "invalid_target")),
    "resource-not-allowed": ({"resource": "urn:signet:auth"}, (400, "invalid_target", "invalid_target")),
    "resource-unknown": ({"resource": "urn:example:bank"}, (400, "invalid_target", "invalid_target")),
    "resource-resembling": ({"resource": "urn:signet:profile "}, (400, "invalid_target", "invalid_target")),
    "audience": ({"audience": "profile"}, (400, "invalid_target", "invalid_target")),
    "scope-not-allowed": ({"scope": "profile:write"}, (400, "invalid_scope", "invalid_scope")),
    "scope-of-the-subject": ({"scope": "orders:read"}, (400, "invalid_scope", "invalid_scope")),
    "scope-partly-allowed": ({"scope": "profile:read profile:write"}, (400, "invalid_scope", "invalid_scope")),
    "scope-unknown": ({"scope": "everything"}, (400, "invalid_scope", "invalid_scope")),
    "scope-two-spaces": ({"scope": "profile:read  profile:read"}, (400, "invalid_scope", "invalid_scope")),
    "scope-line-end": ({"scope": "profile:read\n"}, (400, "invalid_scope", "invalid_scope")),
    "scope-nul": ({"scope": "profile:read\0"}, (400, "invalid_scope", "invalid_scope")),
}


@on_one_database
@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_that_cannot_be_is_refused(system: Exchanging, name: str) -> None:
    """Each request that differs from a good one in one way is refused by the code that OAuth has for it."""
    changes, expected = REQUESTS[name]
    assert refusal(await system.exchange(await system.log_in(), **changes)) == expected


@on_one_database
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scope": "profile:read"},
        {"scope": ""},
        {"scope": "profile:read profile:read"},
        {"requested_token_type": ACCESS_TOKEN},
        {"client_id": "orders"},
        {"unknown": "parameters are ignored, says RFC 6749, section 3.2"},
    ],
    ids=str,
)
async def test_a_request_that_can_be_is_answered(system: Exchanging, changes: dict[str, str]) -> None:
    """A parameter without a value counts as left out, and an unknown one as not there. [RFC 6749 section 3.2]"""
    answer = await system.exchange(await system.log_in(), **changes)
    assert (answer.status_code, answer.json().get("scope")) == (200, "profile:read")


@on_one_database
@pytest.mark.parametrize("body", [b"", b"&&", b"=", b"grant_type", b"grant_type=%ff"])
async def test_a_body_that_is_no_form_is_refused(system: Exchanging, body: bytes) -> None:
    """Empty, without names, and not UTF-8 when decoded."""
    answer = await system.client.post("/oauth/token", content=body, headers={"Content-Type": FORM})
    assert refusal(answer)[:2] == (400, "invalid_request")


async def test_more_parameters_than_anyone_needs_are_refused(system: Exchanging) -> None:
    """Unknown ones are ignored, up to fifty in all."""
    token = await system.log_in()
    assert (await system.exchange(token, **{f"x{number}": "y" for number in range(44)})).status_code == 200
    answer = await system.exchange(token, **{f"x{number}": "y" for number in range(45)})
    assert refusal(answer)[:2] == (400, "invalid_request")


@on_one_database
@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_another_media_type_is_refused(system: Exchanging, media_type: str) -> None:
    """A form is a form by name."""
    form = system.form(await system.log_in())
    answer = await system.client.post(
        "/oauth/token", content=json.dumps(form), headers={"Content-Type": media_type} if media_type else {}
    )
    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_media_type")


async def test_a_form_too_large_is_refused(system: Exchanging) -> None:
    """413 before anything is read of it; what fits is looked at, and a token beyond 8 KiB refused as one."""
    token = await system.log_in()
    assert (await system.exchange(token, x="x" * 65_536)).status_code == 413
    assert refusal(await system.exchange(token + "a" * 8192)) == (400, "invalid_request", "malformed")


async def test_nothing_is_taken_from_the_address(system: Exchanging) -> None:
    """Addresses are logged: a parameter in one is an error, whether it is needed there or not."""
    form = system.form(await system.log_in())
    assert refusal(await system.send(form, params={"x": "y"}))[:2] == (400, "invalid_request")
    scope = {"scope": form.pop("resource")}
    assert refusal(await system.send(form, params=scope))[:2] == (400, "invalid_request")


async def test_a_second_way_of_proof_is_refused(system: Exchanging) -> None:
    """A client has one way to prove itself per request. [RFC 6749 section 2.3]"""
    token = await system.log_in()
    system.client.headers["Authorization"] = "Basic b3JkZXJzOnNlY3JldA=="
    assert refusal(await system.exchange(token))[:2] == (400, "invalid_request")


async def test_other_methods_are_refused(system: Exchanging) -> None:
    """As everywhere: without a token a route that is not public does not exist, and with one it is 405."""
    token = await system.log_in()
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        refused = await system.client.request(method, "/oauth/token")
        assert (refused.status_code, refused.json()["reason"]) == (401, "no_credentials")
        known = await system.client.request(method, "/oauth/token", headers={"Authorization": f"Bearer {token}"})
        assert (known.status_code, known.headers["allow"]) == (405, "POST")


async def test_a_person_cannot_exchange(system: Exchanging) -> None:
    """A token alone, in the header or as every parameter, gets nothing: only a client can ask."""
    token = await system.log_in()
    assert refusal(await system.exchange(token, client_assertion=token)) == INVALID_CLIENT


async def test_without_a_table_there_is_no_client(auth: Auth) -> None:
    """No service is known by default."""
    await auth.register()
    async with exchanging(auth, services=[]) as system:
        assert refusal(await system.exchange(await system.log_in())) == INVALID_CLIENT
        assert system.service.requests == 0


async def test_no_token_and_no_assertion_is_logged_or_repeated(
    system: Exchanging, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither what was good nor what was refused stands in a log or in a refusal, whole or in part."""
    token = await system.log_in()
    told = [system.assertion() for _ in range(3)]
    answers = [
        await system.exchange(token, client_assertion=told[0]),
        await system.exchange(token, client_assertion=told[0]),
        await system.exchange(token[:-9] + "AAAAAAAAA", client_assertion=told[1]),
        await system.exchange(token, client_assertion=told[2][:-9] + "AAAAAAAAA"),
        await system.exchange(token, client_assertion=token),
    ]
    got = answers[0].json()["access_token"]
    log = capsys.readouterr().out
    assert "token_exchanged" in log
    assert "client_assertion_used_again" in log
    assert "client_not_proved" in log
    said = log + "".join(answer.text for answer in answers[1:])
    for secret in (token, got, *told):
        assert not [part for part in secret.split(".") if part in said]


async def test_a_database_that_cannot_be_written_is_503(system: Exchanging) -> None:
    """Without a place to remember the assertion in, it is not accepted, and the client is told to come back."""
    await system.exchange(await system.log_in())
    token = await system.log_in()
    database = Database.of(system.auth.settings)
    async with database.writing() as connection:
        # Whichever database it is: nobody can write this row before the block ends.
        jti = secrets.token_hex(8)
        await _use(connection, jti)
        answer = await system.exchange(token, client_assertion=system.assertion(jti=jti))
        assert refusal(answer) == (503, "temporarily_unavailable", "storage_unavailable")
        assert answer.headers["retry-after"] == "1"
    await database.close()


async def _use(connection: Any, jti: str) -> None:  # noqa: ANN401 -- a connection
    digest = hashlib.sha256(f"orders {jti}".encode()).digest()
    await connection.execute(used_assertions.insert().values(assertion=digest, until=2**40))
