"""What a person is told about a token, step by step."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from token_verification import AccessTokenVerifier, KeysUnavailable, VerificationError
from token_verification.explanation import Explanation, explain
from token_verification.forgeries import FORGERIES, Forgery
from token_verification.key_set import VerificationKey
from token_verification.testing import FakeClock, FakeIssuer, json_bytes
from token_verification.verifier import STEPS

AUDIENCE = "urn:test:api"
TOKEN_FORGERIES = [forgery for forgery in FORGERIES if not forgery.name.startswith("transport-")]


@pytest.fixture(scope="module")
def issuer() -> FakeIssuer:
    return FakeIssuer(audience=AUDIENCE, clock=FakeClock(1_800_000_000))


@pytest.fixture(scope="module")
def verifier(issuer: FakeIssuer) -> AccessTokenVerifier:
    return AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=issuer.key_set, clock=issuer.clock)


def outcomes(explanation: Explanation) -> dict[int, str]:
    """Return what did not pass, by the number of its step; those of revocations, which none here follows, left out."""
    return {
        finding.step.number: finding.refusal.reason if finding.refusal else "not reached"
        for finding in explanation.findings
        if not finding.passed and not finding.step.of_revocations
    }


async def test_a_good_token_passes_every_step(issuer: FakeIssuer, verifier: AccessTokenVerifier) -> None:
    """The explanation of a good token is that of the verifier: every step that it has passed, and the same outcome."""
    token = issuer.token()
    explanation = await explain(verifier, token)
    assert [finding.step for finding in explanation.findings] == list(STEPS)
    assert outcomes(explanation) == {}
    assert explanation.refusal is None
    assert explanation.examination.outcome() == await verifier.verify(token)


@pytest.mark.parametrize("forgery", TOKEN_FORGERIES, ids=str)
async def test_the_verdict_is_the_verifiers(
    forgery: Forgery, issuer: FakeIssuer, verifier: AccessTokenVerifier
) -> None:
    """For every forgery, an explanation names the reason that a service names, in the same words."""
    ((_, value),) = forgery.make(issuer, AUDIENCE).headers
    token = value.decode("latin-1").removeprefix("Bearer ")
    with pytest.raises(VerificationError) as refused:
        await verifier.verify(token)
    refusal = (await explain(verifier, token)).refusal
    assert refusal is not None
    assert refusal.reason == refused.value.reason == forgery.reason
    assert refusal.detail == refused.value.detail


async def test_later_steps_are_told_as_far_as_they_can_be(issuer: FakeIssuer, verifier: AccessTokenVerifier) -> None:
    """A token with several faults shows them all; a step whose ground is missing is not reached, and does not guess."""
    token = issuer.token(header={"typ": "JWT", "x5t": "AAAA"}, iss="https://other.test", aud="urn:other")
    assert outcomes(await explain(verifier, token)) == {
        5: "wrong_type",
        6: "malformed",
        15: "wrong_issuer",
        16: "wrong_audience",
    }
    elliptic = issuer.token(header={"alg": "ES256"}, omit={"exp"})
    assert outcomes(await explain(verifier, elliptic)) == {
        4: "unsupported_algorithm",
        10: "not reached",
        12: "missing_claim",
        17: "not reached",
        19: "not reached",
    }
    misspelt = issuer.token(nbf="soon", aud=7, exp=0, iat=0)
    assert outcomes(await explain(verifier, misspelt)) == {
        13: "malformed",
        16: "not reached",
        17: "malformed",
        18: "not reached",
        19: "expired",
    }


async def test_a_step_may_wait_and_keys_may_be_away(issuer: FakeIssuer) -> None:
    """Where the keys are not to be had, this is said of the step that needs them, and the others are still told."""

    class Away:
        def known(self, key_id: str) -> VerificationKey | None:
            return None

        async def find(self, key_id: str) -> VerificationKey | None:
            raise KeysUnavailable("Nobody is there.", retry_after=1)

    verifier = AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=Away(), clock=issuer.clock)
    explanation = await explain(verifier, issuer.token(expires_in=-60, iat=0))
    assert outcomes(explanation) == {9: "keys_unavailable", 10: "not reached", 17: "life_too_long", 19: "expired"}
    assert isinstance(explanation.refusal, KeysUnavailable)


def test_a_step_needs_only_what_came_before() -> None:
    """The order of the policy is also an order of what can be told."""
    assert all(needed < step.number for step in STEPS for needed in step.needs)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_HEADER = st.sampled_from(["alg", "typ", "kid", "jwk"])
_CLAIMS = st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "auth_time", "scope", "act", "cnf"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(header=st.dictionaries(_HEADER, _json), claims=st.dictionaries(_CLAIMS, _json), omit=st.sets(_CLAIMS))
async def test_going_on_after_a_failure_surprises_nobody(
    header: dict[str, Any], claims: dict[str, Any], omit: set[str], issuer: FakeIssuer, verifier: AccessTokenVerifier
) -> None:
    """Whatever header and claims are signed, each step says something, and the verdict is the verifier's."""
    token = issuer.sign(json_bytes(issuer.header() | header), json_bytes(issuer.claims(omit=omit) | claims))
    refusal = (await explain(verifier, token)).refusal
    refused: VerificationError | None = None
    try:
        await verifier.verify(token)
    except VerificationError as error:
        refused = error
    assert (refusal and (refusal.reason, refusal.detail)) == (refused and (refused.reason, refused.detail))
