"""The policy on access tokens."""

import dataclasses
import json
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from token_verification import AccessToken, AccessTokenVerifier, InvalidToken, VerificationError
from token_verification.compact_jws import base64url_decoded, base64url_encoded
from token_verification.testing import FakeClock, FakeIssuer, json_bytes
from token_verification.verifier import STEPS, Examination

AUDIENCE = "urn:test:api"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_800_000_000)


@pytest.fixture
def issuer(clock: FakeClock) -> FakeIssuer:
    return FakeIssuer(audience=AUDIENCE, clock=clock)


@pytest.fixture
def verifier(issuer: FakeIssuer, clock: FakeClock) -> AccessTokenVerifier:
    return AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=issuer.key_set, clock=clock)


async def refusal_of(verifier: AccessTokenVerifier, token: str) -> InvalidToken:
    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(token)
    return caught.value


async def test_a_good_token_says_everything(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """Each claim arrives in the view under its name, and unknown ones do not."""
    token = issuer.token(
        sub="alice-1",
        aud=["urn:other", AUDIENCE],
        client_id="web",
        scope="orders:read orders:write",
        sid="login-9",
        jti="token-7",
        auth_time=1_799_999_900,
        name="Alice Müller 🔑",
        act={"sub": "urn:orders", "act": {"sub": "urn:before"}},
        email="alice@example.com",
    )
    assert await verifier.verify(token) == AccessToken(
        subject="alice-1",
        issuer="https://issuer.test",
        audience=("urn:other", AUDIENCE),
        client_id="web",
        scope=frozenset({"orders:read", "orders:write"}),
        login_id="login-9",
        token_id="token-7",
        auth_time=1_799_999_900,
        issued_at=1_800_000_000,
        expires_at=1_800_000_300,
        key_id=issuer.key_id,
        name="Alice Müller 🔑",
        actor="urn:orders",
    )


async def test_the_view_cannot_be_changed(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """A verified token is immutable and hashable, so it may be shared between requests."""
    caller = await verifier.verify(issuer.token())
    with pytest.raises(dataclasses.FrozenInstanceError):
        caller.subject = "admin"  # type: ignore[misc]
    assert not hasattr(caller, "__dict__")
    assert {caller} == {await verifier.verify(issuer.sign(*_halves(issuer, caller)))}


def _halves(issuer: FakeIssuer, caller: AccessToken) -> tuple[bytes, bytes]:
    return json_bytes(issuer.header()), json_bytes(issuer.claims(jti=caller.token_id))


async def test_a_token_by_another_library_is_good(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """What PyJWT signs, this verifies; what the fake issuer signs, PyJWT verifies."""
    claims: dict[str, Any] = issuer.claims(name="Alice")
    theirs = jwt.encode(claims, issuer.private_key, algorithm="RS256", headers={"typ": "at+jwt", "kid": issuer.key_id})
    assert (await verifier.verify(theirs)).name == "Alice"
    ours = jwt.decode(
        issuer.token(sub="bob"),
        issuer.private_key.public_key(),
        algorithms=["RS256"],
        audience=AUDIENCE,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert ours["sub"] == "bob"


async def test_a_3072_bit_key_is_good(clock: FakeClock) -> None:
    """The default key size of Signet."""
    issuer = FakeIssuer(audience=AUDIENCE, bits=3072, clock=clock)
    verifier = AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=issuer.key_set, clock=clock)
    assert (await verifier.verify(issuer.token())).subject == "subject-1"


@pytest.mark.parametrize("apart", [4, -4, 4.9, -4.9])
async def test_clocks_a_little_apart_are_fine(
    apart: float, verifier: AccessTokenVerifier, issuer: FakeIssuer, clock: FakeClock
) -> None:
    """A token is good in its first and in its last second although the clocks are 4 s apart."""
    token = issuer.token()
    issued_at = clock.now
    for moment in (issued_at, issued_at + 299.9):
        clock.now = moment + apart
        assert (await verifier.verify(token)).subject


@pytest.mark.parametrize(
    ("moment", "refused"),
    [
        (-30, "not_yet_valid: The token's iat is 30 s in the future."),
        (-5.1, "not_yet_valid: The token's iat is 5 s in the future."),
        (305, "expired: The token expired 5 s ago."),
        (330, "expired: The token expired 30 s ago."),
    ],
)
async def test_clocks_far_apart_are_not(
    moment: float, refused: str, verifier: AccessTokenVerifier, issuer: FakeIssuer, clock: FakeClock
) -> None:
    """A token from 30 s ahead, or that ended 30 s ago, is refused, and told by how much; the leeway is 5 s sharp."""
    token = issuer.token()
    clock.now += moment
    assert str(await refusal_of(verifier, token)) == refused


async def test_the_bounds_are_inclusive_where_they_should_be(
    verifier: AccessTokenVerifier, issuer: FakeIssuer, clock: FakeClock
) -> None:
    """A life of exactly the cap, a size of exactly the cap, a start exactly the leeway ahead: good."""
    now = int(clock.now)
    assert (await verifier.verify(issuer.token(iat=now + 5, exp=now + 605, auth_time=now + 5, nbf=now + 5))).subject
    # One more character of name is one or two more of token: sizes from 8190 to 8194, of which each is on its side.
    spare = 8190 - len(issuer.token(name=""))
    tokens = [issuer.token(name="n" * (spare * 3 // 4 + more)) for more in range(-2, 6)]
    assert {len(token) > 8192 for token in tokens} == {True, False}
    for token in tokens:
        if len(token) <= 8192:
            assert (await verifier.verify(token)).subject
        else:
            assert "more than 8192" in (await refusal_of(verifier, token)).detail


async def test_leeway_and_life_are_settings(issuer: FakeIssuer, clock: FakeClock) -> None:
    """A shorter life and leeway hold as given."""
    verifier = AccessTokenVerifier(
        issuer=issuer.issuer, audience=AUDIENCE, key_set=issuer.key_set, leeway=0.5, max_life=30, clock=clock
    )
    token = issuer.token(expires_in=30)
    assert (await verifier.verify(token)).subject
    assert (await refusal_of(verifier, issuer.token(expires_in=31))).reason == "life_too_long"
    clock.now += 30.5
    assert (await refusal_of(verifier, token)).reason == "expired"


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        ({"aud": "urn:signet:profile"}, "The token is for urn:signet:profile, this is urn:test:api."),
        ({"aud": []}, "The token is for nobody, this is urn:test:api."),
        ({"iss": "https://evil.test"}, "The token is from https://evil.test, not from https://issuer.test."),
        ({"header": {"kid": "gone"}}, "The issuer has published no key gone."),
        ({"header": {"alg": "none"}}, "The token's algorithm is none; only RS256 is accepted."),
        ({"header": {"typ": "JWT"}}, "The token's type is JWT; an access token has at+jwt."),
        ({"header": {"crit": []}}, "The token's header has crit, which is not accepted."),
        ({"omit": ["sid"]}, "The token has no claim sid."),
        ({"expires_in": 601}, "The token lives 601 s, more than 600 s."),
        ({"sub": 7}, "The token's sub is not a string of 1 to 255 characters."),
    ],
)
async def test_a_refusal_is_explained(
    token: dict[str, Any], detail: str, verifier: AccessTokenVerifier, issuer: FakeIssuer
) -> None:
    """The sentence says which check failed, and the facts that a person who may know needs."""
    assert (await refusal_of(verifier, issuer.token(**token))).detail == detail


async def test_a_bad_signature_comes_before_what_the_payload_says(
    verifier: AccessTokenVerifier, issuer: FakeIssuer
) -> None:
    """Nothing of the payload is believed, nor even read, before the signature: it alone is named."""
    for payload in (b"\xff", b"{}", json_bytes(issuer.claims(aud="urn:other", exp=0))):
        forged = issuer.sign(json_bytes(issuer.header()), payload, key=issuer.attackers_key())
        assert (await refusal_of(verifier, forged)).reason == "bad_signature"


async def test_unknown_claims_are_ignored(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """An issuer may add a claim (RFC 7519, section 4) without every service falling over."""
    assert (await verifier.verify(issuer.token(roles=["a"], x={"deep": [1.5, None]}))).subject


async def test_the_token_is_never_in_the_error(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """Neither the token nor its signature is in any text of the refusal, nor in what caused it."""
    token = issuer.token(aud="urn:other")
    for bad in (token, token[:-4] + "AAAA", f"{token}=", token.replace(".", "..")):
        refusal = await refusal_of(verifier, bad)
        text = f"{refusal!r} {refusal} {refusal.problem} {refusal.headers} {refusal.__cause__}"
        assert not any(part in text for part in token.split(".") if len(part) > 10)


@pytest.mark.parametrize("token", ["", ".", "..", "...", "a.b.c", "\ud800", "é.é.é", "\x00", "A" * 8193, "٣.٣.٣"])
async def test_nonsense_is_malformed(token: str, verifier: AccessTokenVerifier) -> None:
    """What is no token at all is malformed."""
    assert (await refusal_of(verifier, token)).reason == "malformed"


async def test_what_cannot_be_read_is_told_apart(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """The sentence says what is wrong with the form, in our words and not in Python's."""
    token = issuer.token()
    for bad, why in (
        (f"{token}.AAAA", "it has 4 parts instead of three"),
        (f"{token}é", "it has characters that are not ASCII"),
        (f"{token}.", "it has 4 parts instead of three"),
        (token.replace(".", ".."), "it has 5 parts instead of three"),
        (f".{token.split('.', 1)[1]}", "one of its parts is empty"),
        (f"{token}=", "it is not canonical base64url without padding"),
    ):
        assert (await refusal_of(verifier, bad)).detail == f"The token cannot be read: {why}."


def test_the_steps_can_be_ticked_off() -> None:
    """The policy is numbered without a gap, and each step says in a sentence what it makes sure of."""
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert all(step.claim.endswith(".") for step in STEPS)
    assert len({step.check for step in STEPS}) == len(STEPS)


async def test_the_steps_can_be_run_one_by_one(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """Whoever runs the same steps by hand comes to the same result, and sees at which one a token fails."""
    good = Examination(issuer.token(), issuer.clock())
    assert [step.check(verifier, good) for step in STEPS] == [None] * len(STEPS)
    assert good.outcome().subject == "subject-1"

    bad = Examination(issuer.token(aud="urn:other"), issuer.clock())
    for step in STEPS[:15]:
        assert step.check(verifier, bad) is None
    with pytest.raises(InvalidToken, match="wrong_audience"):
        STEPS[15].check(verifier, bad)


_PROPERTY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@_PROPERTY
@given(
    token=st.text() | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}", fullmatch=True)
)
async def test_no_input_surprises(token: str, verifier: AccessTokenVerifier) -> None:
    """Whatever the string, the answer is a refusal of this library."""
    with pytest.raises(VerificationError):
        await verifier.verify(token)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@_PROPERTY
@given(header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "jwk"]) | st.text(), _json), payload=_json)
async def test_no_json_surprises(
    header: dict[str, Any], payload: object, verifier: AccessTokenVerifier, issuer: FakeIssuer
) -> None:
    """Whatever JSON is signed by the true key, under whatever header, the answer is a refusal of this library."""
    raw = json.dumps(payload).encode()
    for members in (header, issuer.header(), issuer.header(**header)):
        with pytest.raises(VerificationError):
            await verifier.verify(issuer.sign(json_bytes(members), raw))


@_PROPERTY
@given(
    changes=st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "auth_time", "scope", "act"]), _json)
)
async def test_no_claim_surprises(changes: dict[str, Any], verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """Whatever a claim is changed to: a view whose fields have their types comes out, or a refusal."""
    payload = json_bytes(issuer.claims() | changes)
    try:
        caller = await verifier.verify(issuer.sign(json_bytes(issuer.header()), payload))
    except VerificationError:
        return
    assert all(isinstance(text, str) for text in (caller.subject, *caller.audience, *caller.scope))
    assert type(caller.expires_at) is type(caller.issued_at) is type(caller.auth_time) is int
    assert hash(caller) is not None


@_PROPERTY
@given(data=st.data())
async def test_any_changed_byte_is_noticed(
    data: st.DataObject, verifier: AccessTokenVerifier, issuer: FakeIssuer
) -> None:
    """A good token with one byte changed, left out or put in is refused."""
    token = issuer.token(jti="fixed")
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(min_codepoint=0, max_codepoint=255).filter(lambda char: char != token[place]))
    for changed in (
        token[:place] + other + token[place + 1 :],
        token[:place] + token[place + 1 :],
        token[:place] + other + token[place:],
    ):
        with pytest.raises(InvalidToken):
            await verifier.verify(changed)


async def test_every_bit_of_the_signature_counts(verifier: AccessTokenVerifier, issuer: FakeIssuer) -> None:
    """Each single bit of header, payload and signature, flipped, makes the token a bad one."""
    token = issuer.token()
    parts = token.split(".")
    for place, part in enumerate(parts):
        raw = bytearray(base64url_decoded(part.encode()))
        for bit in range(0, len(raw) * 8, 5):
            raw[bit // 8] ^= 1 << bit % 8
            changed = [*parts]
            changed[place] = base64url_encoded(bytes(raw)).decode()
            with pytest.raises(InvalidToken):
                await verifier.verify(".".join(changed))
            raw[bit // 8] ^= 1 << bit % 8
    assert (await verifier.verify(token)).subject
