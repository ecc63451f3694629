"""A token that was verified before: taken apart once, and judged every time."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libs.token_verification.tests.test_verifier_and_revocations import Known

from token_verification import AccessTokenVerifier, KeysUnavailable, VerificationError
from token_verification.fastapi import protect
from token_verification.forgeries import FORGERIES
from token_verification.key_set import VerificationKey
from token_verification.testing import FakeClock, FakeIssuer
from token_verification.verified_tokens import VerifiedToken, VerifiedTokens

AUDIENCE = "urn:test:api"


class CountingKey(VerificationKey):
    """Counts the signatures that are put to it."""

    asked = 0

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        CountingKey.asked += 1
        return super().verifies(signature, signed)


class Keys:
    """A key set that can lose its keys, get others, or grow too old."""

    def __init__(self, issuer: FakeIssuer) -> None:
        self.keys: dict[str, VerificationKey] = {}
        self.is_too_old = False
        self.take(issuer)

    def take(self, issuer: FakeIssuer, *, under: str | None = None) -> None:
        key_id = under or issuer.key_id
        self.keys[key_id] = CountingKey(key_id, issuer.private_key.public_key())

    def known(self, key_id: str) -> VerificationKey | None:
        return None if self.is_too_old else self.keys.get(key_id)

    async def find(self, key_id: str) -> VerificationKey | None:
        if self.is_too_old:
            raise KeysUnavailable("The keys are too old.", retry_after=1)
        return self.keys.get(key_id)


@dataclass
class World:
    """One issuer, and a verifier of its tokens that remembers."""

    issuer: FakeIssuer = field(default_factory=lambda: FakeIssuer(audience=AUDIENCE, clock=FakeClock(1_800_000_000)))
    known: Known = field(default_factory=Known)

    def __post_init__(self) -> None:
        CountingKey.asked = 0
        self.keys = Keys(self.issuer)
        self.verifier = self.verifier_that_remembers(3)

    def verifier_that_remembers(self, most: int) -> AccessTokenVerifier:
        return AccessTokenVerifier(
            issuer=self.issuer.issuer,
            audience=AUDIENCE,
            key_set=self.keys,
            revocations=self.known,
            remembered=most,
            clock=self.issuer.clock,
        )

    def go(self, seconds: float) -> None:
        assert isinstance(self.issuer.clock, FakeClock)
        self.issuer.clock.now += seconds

    async def answer(self, token: str, *, changes_state: bool = True) -> str:
        try:
            await self.verifier.verify(token, changes_state=changes_state)
        except VerificationError as refusal:
            return refusal.reason
        return "accepted"


@pytest.fixture
def world() -> World:
    return World()


async def test_the_same_bytes_are_taken_apart_once(world: World) -> None:
    """A second request with a token costs no look at its signature, and gets the very same immutable view."""
    token, other = world.issuer.token(), world.issuer.token()
    first = await world.verifier.verify(token)
    assert await world.verifier.verify(token) is first
    assert CountingKey.asked == 1
    assert await world.verifier.verify(other) != first
    assert CountingKey.asked == 2


async def test_nothing_is_remembered_where_that_is_not_wanted(world: World) -> None:
    """A verifier that remembers none takes the same bytes apart every time."""
    world.verifier = world.verifier_that_remembers(0)
    token = world.issuer.token()
    assert [await world.answer(token) for _ in range(3)] == ["accepted"] * 3
    assert CountingKey.asked == 3


def another_key_under_the_same_id(world: World) -> None:
    signer, other = world.issuer.key_id, FakeIssuer("https://other.test")
    world.keys.take(other, under=signer)


HAPPENINGS: dict[str, tuple[Callable[[World], object], str]] = {
    "it expires": (lambda world: world.go(305), "expired"),
    "the clock is set back": (lambda world: world.go(-10), "not_yet_valid"),
    "its login ends": (lambda world: world.known.ids.add("sid login-1"), "login_ended"),
    "it is revoked": (lambda world: world.known.ids.add("jti token-1"), "token_revoked"),
    "its key is revoked": (lambda world: world.known.ids.add(f"kid {world.issuer.key_id}"), "key_revoked"),
    "its key leaves the key set": (lambda world: world.keys.keys.clear(), "unknown_kid"),
    "another key takes its key's id": (another_key_under_the_same_id, "bad_signature"),
    "the key set grows too old": (lambda world: setattr(world.keys, "is_too_old", True), "keys_unavailable"),
    "the feed is lost": (lambda world: setattr(world.known, "young", False), "revocations_unavailable"),
    "the feed is late": (lambda world: setattr(world.known, "young_for_changes", False), "revocations_unavailable"),
}


@pytest.mark.parametrize("happening", HAPPENINGS)
async def test_what_happens_meanwhile_counts(happening: str, world: World) -> None:
    """Whatever would have a new verifier refuse a token has one refuse it that accepted it a moment ago."""
    happen, reason = HAPPENINGS[happening]
    token = world.issuer.token(sid="login-1", jti="token-1")
    assert [await world.answer(token) for _ in range(2)] == ["accepted", "accepted"]
    happen(world)
    assert [await world.answer(token) for _ in range(2)] == [reason, reason]


async def test_who_only_looks_may_go_on_where_who_changes_may_not(world: World) -> None:
    """What a request may do is asked for each request, whichever came with the token first."""
    world.known.young_for_changes = False
    token = world.issuer.token()
    for _ in range(2):
        assert await world.answer(token, changes_state=False) == "accepted"
        assert await world.answer(token, changes_state=True) == "revocations_unavailable"


async def test_a_key_that_goes_takes_its_tokens_along(world: World) -> None:
    """Once a key is gone, revoked or too old, nothing that it signed is remembered; what others signed is."""
    kept = world.issuer.token()
    signer = world.issuer.key_id
    for happening in ("its key leaves the key set", "its key is revoked", "the key set grows too old"):
        world.issuer.rotate()
        world.keys.take(world.issuer)
        gone = [world.issuer.token() for _ in range(2)]
        for token in (*gone, kept):
            assert await world.answer(token) == "accepted"
        keys = dict(world.keys.keys)
        HAPPENINGS[happening][0](world)
        assert await world.answer(gone[0]) == HAPPENINGS[happening][1]
        assert {each.key.key_id for each in world.verifier._verified._tokens.values()} <= {signer}
        world.keys.keys, world.keys.is_too_old, world.known.ids = keys, False, set()
    assert await world.answer(kept) == "accepted"


async def test_a_failure_is_never_remembered(world: World) -> None:
    """A token that is refused is put to every step again, and accepted as soon as the reason is gone."""
    token = world.issuer.token(sid="login-1")
    world.known.ids.add("sid login-1")
    assert [await world.answer(token) for _ in range(2)] == ["login_ended", "login_ended"]
    assert len(world.verifier._verified) == 0
    world.known.ids.clear()
    assert await world.answer(token) == "accepted"


async def test_it_is_bounded(world: World) -> None:
    """It keeps so many and no more, and lets go of the one verified first; what is over goes with the next new one."""
    tokens = [world.issuer.token() for _ in range(5)]
    for token in tokens:
        await world.verifier.verify(token)
        assert len(world.verifier._verified) <= 3
    for token in tokens[2:]:
        await world.verifier.verify(token)
    assert CountingKey.asked == 5
    await world.verifier.verify(tokens[0])
    assert CountingKey.asked == 6
    world.go(301)
    await world.verifier.verify(world.issuer.token())
    assert len(world.verifier._verified) == 1


async def test_what_is_kept_cannot_be_used_or_changed(world: World) -> None:
    """No token can be read out of what is kept, and what all requests share cannot be changed by one."""
    token = world.issuer.token()
    await world.verifier.verify(token)
    [(name, kept)] = world.verifier._verified._tokens.items()
    assert isinstance(kept, VerifiedToken)
    assert len(name) == 32
    assert not any(part in repr(kept) for part in token.split("."))
    assert {*kept.claims} == {"iat", "auth_time", "exp", "sid", "jti"}
    with pytest.raises(TypeError):
        kept.claims["exp"] = 9_999_999_999  # type: ignore[index]


class RecordingIssuer(FakeIssuer):
    """Remembers the tokens that it has signed."""

    def __init__(self) -> None:
        super().__init__(audience=AUDIENCE)
        self.signed: list[str] = []

    def token(self, **arguments: Any) -> str:  # noqa: ANN401 -- the fake's own
        self.signed.append(super().token(**arguments))
        return self.signed[-1]


async def test_a_forgery_of_what_is_remembered_is_refused() -> None:
    """Every lie is refused for its own reason, however well the verifier knows the good token it was made of."""
    issuer = RecordingIssuer()
    verifier = AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=issuer.key_set)
    app = FastAPI()
    protect(app, verifier, public=())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        for forgery in FORGERIES:
            issuer.signed.clear()
            attempt = forgery.make(issuer, AUDIENCE)
            for token in (issuer.token(), *issuer.signed):
                with contextlib.suppress(VerificationError):
                    await verifier.verify(token)
            remembered = len(verifier._verified)
            answer = await client.get(f"/?{attempt.query}", headers=attempt.headers)
            assert (answer.status_code, answer.json()["reason"]) == (forgery.status, forgery.reason), forgery
            assert len(verifier._verified) == remembered > 0, forgery


_PROPERTY = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@_PROPERTY
@given(data=st.data())
async def test_any_change_of_a_remembered_token_is_noticed(data: st.DataObject, world: World) -> None:
    """A token that is remembered, with any character changed, left out or put in, is refused."""
    # What a single character can change about the header, or break.
    refusals = {"malformed", "unsupported_algorithm", "wrong_type", "unknown_kid", "bad_signature"}
    token = world.issuer.token()
    await world.verifier.verify(token)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda char: char != token[place]))
    for changed in (token[:place] + other + token[place + 1 :], token[:place] + token[place + 1 :], token + other):
        assert await world.answer(changed) in refusals
    assert await world.answer(token) == "accepted"


@given(st.lists(st.text(st.characters(exclude_categories=())), unique=True, min_size=2, max_size=6))
def test_every_string_has_a_name_of_its_own(strings: list[str]) -> None:
    """Also strings that are no tokens, and that no header can carry, are told apart."""
    world = World()
    key, caller = next(iter(world.keys.keys.values())), None
    kept = VerifiedTokens(100)
    kept.keep(strings[0], VerifiedToken(key, {}, caller), now=0)  # type: ignore[arg-type]
    assert [kept.find(string) is not None for string in strings] == [True, *([False] * (len(strings) - 1))]
