"""What an exchanged token says, whose token may be exchanged, and that nothing ever grows by it."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.auth.tests.exchanging import ISSUER, Exchanging, exchanging, read
from tests.postgresql_plugin import on_one_database

from auth_service.access_tokens import AccessTokens, IssuedToken
from auth_service.clients import Service
from auth_service.scopes import SCOPES
from auth_service.signing_keys import SigningKey
from auth_service.token_exchange import TokenExchange
from auth_service.token_refusals import TokenRefusal
from token_verification import AccessTokenVerifier, InvalidToken, StaticKeySet
from token_verification.testing import FakeIssuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from services.auth.tests.conftest import Auth


@pytest.fixture
async def system(auth: Auth) -> AsyncIterator[Exchanging]:
    """Run a replica that knows orders, and register Ada."""
    await auth.register()
    async with exchanging(auth) as system:
        yield system


async def test_what_the_token_says(system: Exchanging) -> None:
    """One audience, the same subject and login, orders as client and as actor, an id of its own, and no name."""
    token = await system.log_in()
    subject = read(token)
    system.auth.clock.now += 100
    answer = (await system.exchange(token)).json()
    got = read(answer["access_token"])
    assert got.pop("jti") != subject["jti"]
    assert got == {
        "iss": ISSUER,
        "sub": subject["sub"],
        "aud": ["urn:signet:profile"],
        "client_id": "orders",
        "iat": subject["iat"] + 100,
        "exp": subject["exp"],
        "sid": subject["sid"],
        "auth_time": subject["auth_time"],
        "scope": "profile:read",
        "act": {"sub": "orders"},
    }
    assert answer["expires_in"] == 200, "as long as the subject token had left"


async def test_nothing_is_signed_in_the_event_loop(system: Exchanging, signed_in: set[int]) -> None:
    """As at a login, a signature is a thread's work."""
    token = await system.log_in()
    signed_in.clear()
    assert (await system.exchange(token)).status_code == 200
    assert signed_in
    assert threading.get_ident() not in signed_in


async def test_profile_takes_it_and_nobody_else_does(system: Exchanging) -> None:
    """A resource server that follows the library's policy accepts the token if it is profile, and if not, not."""
    keys = StaticKeySet((await system.client.get("/.well-known/jwks.json")).json())
    token = (await system.exchange(await system.log_in())).json()["access_token"]

    def server(audience: str) -> AccessTokenVerifier:
        return AccessTokenVerifier(issuer=ISSUER, audience=audience, key_set=keys, clock=system.auth.clock)

    caller = await server("urn:signet:profile").verify(token)
    assert (caller.client_id, caller.actor, caller.name) == ("orders", "orders", None)
    for other in ("urn:signet:orders", "urn:signet:auth"):
        with pytest.raises(InvalidToken) as refusal:
            await server(other).verify(token)
        assert refusal.value.reason == "wrong_audience"


async def test_a_token_for_orders_alone_is_enough(system: Exchanging) -> None:
    """Whoever logs in for orders alone can still be served by what orders needs of profile: that is the point."""
    token = await system.log_in(resource="urn:signet:orders", scope="orders:write profile:read")
    got = read((await system.exchange(token)).json()["access_token"])
    assert (got["aud"], got["scope"]) == (["urn:signet:profile"], "profile:read")


async def test_what_the_subject_may_not_the_service_may_not(system: Exchanging) -> None:
    """A login that asked for less than orders would need gives orders nothing."""
    token = await system.log_in(scope="orders:write")
    for asked in (None, "profile:read"):
        answer = await system.exchange(token, scope=asked)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def _unpublished(system: Exchanging) -> str:
    now = int(system.auth.clock())
    stranger = FakeIssuer(ISSUER, audience="urn:signet:orders", clock=lambda: now)
    return stranger.token(scope="profile:read")


SUBJECTS: dict[str, tuple[str, Callable[[Exchanging], str]]] = {
    "for-profile": ("wrong_audience", lambda s: s.signed(aud=["urn:signet:profile"])),
    "for-auth": ("wrong_audience", lambda s: s.signed(aud="urn:signet:auth")),
    "for-nobody": ("wrong_audience", lambda s: s.signed(aud=[])),
    "for-a-resembling-one": ("wrong_audience", lambda s: s.signed(aud=["urn:signet:orders2", "orders"])),
    "exchanged": ("already_exchanged", lambda s: s.signed(act={"sub": "profile"})),
    "exchanged-by-orders": ("already_exchanged", lambda s: s.signed(act={"sub": "orders"}, client_id="orders")),
    "act-without-sub": ("malformed", lambda s: s.signed(act={})),
    "expired": ("expired", lambda s: s.signed(iat=_now(s) - 300, exp=_now(s) - 5)),
    "expired-within-the-leeway": ("expired", lambda s: s.signed(iat=_now(s) - 300, exp=_now(s) - 1)),
    "ends-now": ("expired", lambda s: s.signed(iat=_now(s) - 300, exp=_now(s))),
    "not-begun": ("not_yet_valid", lambda s: s.signed(iat=_now(s) + 6, exp=_now(s) + 100)),
    "lives-too-long": ("life_too_long", lambda s: s.signed(exp=_now(s) + 601)),
    "other-issuer": ("wrong_issuer", lambda s: s.signed(iss="https://id.example")),
    "no-login": ("missing_claim", lambda s: s.signed(sid=None)),
    "no-id": ("missing_claim", lambda s: s.signed(jti=None)),
    "no-auth-time": ("missing_claim", lambda s: s.signed(auth_time=None)),
    "bound-to-a-key": ("wrong_type", lambda s: s.signed(cnf={"jkt": "x"})),
    "typ-jwt": ("wrong_type", lambda s: s.signed(header={"typ": "JWT"})),
    "typ-feed": ("wrong_type", lambda s: s.signed(header={"typ": "revocations+jwt"})),
    "typ-assertion": ("wrong_type", lambda s: s.signed(header={"typ": "client-authentication+jwt"})),
    "assertion": ("wrong_type", lambda s: s.assertion()),
    "kid-unknown": ("unknown_kid", lambda s: s.signed(header={"kid": "elsewhere"})),
    "kid-of-the-client": ("unknown_kid", lambda s: s.signed(header={"kid": s.service.key_id})),
    "another-issuers": ("unknown_kid", _unpublished),
    "changed": ("bad_signature", lambda s: s.signed()[:-20] + "AAAAAAAAAAAAAAAAAAAA"),
    "garbage": ("malformed", lambda _: "correct horse battery"),
    "lines": ("malformed", lambda s: s.signed() + "\n"),
}


def _now(system: Exchanging) -> int:
    return int(system.auth.clock())


@on_one_database
@pytest.mark.parametrize("name", SUBJECTS)
async def test_a_token_that_is_none_of_the_clients_is_refused(system: Exchanging, name: str) -> None:
    """Each token that orders itself would refuse, and each that somebody exchanged already, gets nothing."""
    reason, make = SUBJECTS[name]
    answer = await system.exchange(make(system))
    assert (answer.status_code, answer.json()["error"], answer.json()["reason"]) == (400, "invalid_request", reason)


async def test_what_is_refused_is_refused_for_that_alone(system: Exchanging) -> None:
    """The token that those deviate from is exchanged."""
    assert (await system.exchange(system.signed())).status_code == 200
    assert (await system.exchange(system.signed(aud="urn:signet:orders", exp=_now(system) + 1))).status_code == 200


async def test_no_exchange_can_be_exchanged(system: Exchanging) -> None:
    """What orders got is for profile and names no orders: it leads nowhere else, neither with orders nor back."""
    got = (await system.exchange(await system.log_in())).json()["access_token"]
    answer = await system.exchange(got)
    assert (answer.status_code, answer.json()["reason"]) == (400, "wrong_audience")


async def test_what_was_got_is_no_proof_and_no_session(system: Exchanging) -> None:
    """An exchanged token proves no client, and opens nothing at auth."""
    got = (await system.exchange(await system.log_in())).json()["access_token"]
    assert (await system.exchange(system.signed(), client_assertion=got)).status_code == 401
    refused = await system.client.get("/anything", headers={"Authorization": f"Bearer {got}"})
    assert (refused.status_code, refused.json()["reason"]) == (401, "wrong_audience")


NOW = 1_800_000_000
KEYS = FakeIssuer(ISSUER, audience="urn:signet:orders", clock=lambda: float(NOW))
some_scopes = st.sets(st.sampled_from(SCOPES))


@settings(max_examples=200, deadline=None)
@given(
    held=some_scopes.filter(bool),
    asked=st.none() | some_scopes,
    allowed=some_scopes.filter(bool),
    began=st.integers(-600, 5),
    ends=st.integers(-10, 600),
    proved=st.integers(-100_000, 5),
    life=st.integers(1, 600),
)
def test_nothing_grows(
    *, held: set[str], asked: set[str] | None, allowed: set[str], began: int, ends: int, proved: int, life: int
) -> None:
    """Whatever is held, asked and allowed: no later end, no further scope, the same subject, login and time of proof.

    And nothing is refused that could be given.
    """

    async def signer() -> SigningKey:
        return SigningKey(KEYS.key_id, KEYS.private_key)

    tokens = AccessTokens(
        cast("Any", SimpleNamespace(signer=signer)), issuer=ISSUER, life=life, clock=lambda: float(NOW)
    )

    def verifier_for(audience: str) -> AccessTokenVerifier:
        return AccessTokenVerifier(issuer=ISSUER, audience=audience, key_set=KEYS.key_set, clock=lambda: float(NOW))

    client = Service(
        client_id="orders",
        audience="urn:signet:orders",
        jwks_uri="http://orders.test/",
        may_ask={"urn:signet:profile": tuple(allowed)},
    )
    subject = KEYS.claims(iat=NOW + began, exp=NOW + ends, auth_time=NOW + proved, scope=" ".join(held), name="Ada")
    exchange = TokenExchange(tokens, verifier_for=cast("Any", verifier_for), clock=lambda: float(NOW))
    possible = held & allowed & (held if asked is None else asked)
    may_be_given = bool(possible) and (asked is None or (bool(asked) and asked <= possible))
    lives = ends > 0 and 0 < ends - began <= 600

    def exchanged() -> IssuedToken:
        token = KEYS.token(**cast("Any", subject))
        scope = None if asked is None else " ".join(sorted(asked))
        return asyncio.run(exchange.exchange(client, subject_token=token, resource="urn:signet:profile", scope=scope))

    if not (may_be_given and lives):
        with pytest.raises(TokenRefusal) as refusal:
            exchanged()
        assert refusal.value.error == ("invalid_scope" if lives else "invalid_request")
        return
    issued = exchanged()
    got = read(issued.access_token)
    assert got["exp"] == min(NOW + ends, NOW + life)
    assert 0 < issued.expires_in == got["exp"] - NOW <= life
    assert got["iat"] == NOW < got["exp"]
    assert set(got["scope"].split()) == set(issued.scope.split()) == possible
    assert {name: got[name] for name in ("sub", "sid", "auth_time")} == {
        name: subject[name] for name in ("sub", "sid", "auth_time")
    }
    assert got["aud"] == ["urn:signet:profile"]
    assert got["jti"] != subject["jti"]
    assert "name" not in got
