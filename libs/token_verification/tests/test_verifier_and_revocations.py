"""What a verifier makes of revocations, whoever knows them."""

import pytest

from token_verification import AccessTokenVerifier, InvalidToken, RevocationsUnavailable, VerificationError
from token_verification.explanation import explain
from token_verification.key_set import KeySet, VerificationKey
from token_verification.testing import FakeClock, FakeIssuer
from token_verification.verifier import STEPS

AUDIENCE = "urn:test:api"


class Known:
    """Knows what it is told, and `young` enough for reading, writing, or neither."""

    def __init__(self, *ids: str, young: bool = True, young_for_changes: bool = True) -> None:
        self.ids = set(ids)
        self.young = young
        self.young_for_changes = young_for_changes

    def key_is_revoked(self, key_id: str) -> bool:
        return f"kid {key_id}" in self.ids

    def login_has_ended(self, login_id: str) -> bool:
        return f"sid {login_id}" in self.ids

    def token_is_revoked(self, token_id: str) -> bool:
        return f"jti {token_id}" in self.ids

    def ensure_known(self, *, changes_state: bool) -> None:
        if not self.young or (changes_state and not self.young_for_changes):
            raise RevocationsUnavailable("It is too old.", retry_after=1)


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer(audience=AUDIENCE, clock=FakeClock(1_800_000_000))


def verifier_with(issuer: FakeIssuer, known: Known | None, key_set: KeySet | None = None) -> AccessTokenVerifier:
    return AccessTokenVerifier(
        issuer=issuer.issuer,
        audience=AUDIENCE,
        key_set=key_set or issuer.key_set,
        revocations=known,
        clock=issuer.clock,
    )


async def reason_of(verifier: AccessTokenVerifier, token: str, *, changes_state: bool = True) -> str:
    try:
        await verifier.verify(token, changes_state=changes_state)
    except VerificationError as refusal:
        return f"{refusal.status} {refusal.reason}"
    return "accepted"


async def test_what_is_revoked_is_refused(issuer: FakeIssuer) -> None:
    """An ended login, a revoked token and a revoked key are refused, each for its own reason; their like is not."""
    token = issuer.token(sid="login-1", jti="token-1")
    for ids, reason in (
        (["sid login-1"], "401 login_ended"),
        (["jti token-1"], "401 token_revoked"),
        ([f"kid {issuer.key_id}"], "401 key_revoked"),
        (["sid token-1", "jti login-1", "kid login-1", "sid login-", "sid login-11"], "accepted"),
        ([f"kid {issuer.key_id}", "sid login-1", "jti token-1"], "401 key_revoked"),
        (["sid login-1", "jti token-1"], "401 login_ended"),
    ):
        assert await reason_of(verifier_with(issuer, Known(*ids)), token) == reason
    assert await reason_of(verifier_with(issuer, None), token) == "accepted"


async def test_what_cannot_be_known_is_503(issuer: FakeIssuer) -> None:
    """Where too little is known, a good token gets 503, for a change earlier than for a look; a bad one still 401."""
    token = issuer.token(sid="ended")
    late = verifier_with(issuer, Known("sid ended", young_for_changes=False))
    lost = verifier_with(issuer, Known("sid ended", young=False))
    assert await reason_of(late, issuer.token(), changes_state=False) == "accepted"
    assert await reason_of(late, issuer.token(), changes_state=True) == "503 revocations_unavailable"
    assert await reason_of(lost, issuer.token(), changes_state=False) == "503 revocations_unavailable"
    for verifier in (late, lost):
        assert await reason_of(verifier, token) == "401 login_ended"
        assert await reason_of(verifier, issuer.token(aud="urn:other")) == "401 wrong_audience"


async def test_a_revoked_key_is_never_looked_for(issuer: FakeIssuer) -> None:
    """A token under a revoked key id is refused from its header alone: no fetch, and no set that still has it."""

    class Untouchable:
        def known(self, key_id: str) -> VerificationKey | None:
            raise AssertionError

        async def find(self, key_id: str) -> VerificationKey | None:
            raise AssertionError

    verifier = verifier_with(issuer, Known("kid gone", f"kid {issuer.key_id}"), Untouchable())
    assert await reason_of(verifier, issuer.token(header={"kid": "gone"})) == "401 key_revoked"
    assert await reason_of(verifier, issuer.token()) == "401 key_revoked"


async def test_a_key_that_is_revoked_while_it_is_fetched_is_refused(issuer: FakeIssuer) -> None:
    """A fetch takes time, and what was revoked meanwhile counts."""
    known = Known()

    class Slow:
        def known(self, key_id: str) -> VerificationKey | None:
            return None

        async def find(self, key_id: str) -> VerificationKey | None:
            known.ids.add(f"kid {key_id}")
            return issuer.key_set.known(key_id)

    assert await reason_of(verifier_with(issuer, known, Slow()), issuer.token()) == "401 key_revoked"


async def test_an_explanation_tells_of_revocations(issuer: FakeIssuer) -> None:
    """Each of their steps is told, after the others; in a verifier that follows none they are not, and it accepts."""
    token = issuer.token(sid="login-1")
    told = await explain(verifier_with(issuer, Known(f"kid {issuer.key_id}", "sid login-1", young=False)), token)
    assert {each.step.number: each.refusal.reason for each in told.findings if each.refusal} == {
        8: "key_revoked",
        20: "login_ended",
        22: "revocations_unavailable",
    }
    assert all(each.reached for each in told.findings)
    assert isinstance(told.refusal, InvalidToken)
    plain = await explain(verifier_with(issuer, None), token)
    assert plain.refusal is None
    assert [each.step.number for each in plain.findings if not each.reached] == [8, 20, 21, 22]
    assert [step.number for step in STEPS if step.of_revocations] == [8, 20, 21, 22]
