"""One answer of a feed: what is believed, and what is not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from token_verification import AccessTokenVerifier, InvalidToken
from token_verification.revocation_answer import (
    Answer,
    LogPutBackError,
    Revocation,
    UnusableAnswerError,
    read,
    take_apart,
)
from token_verification.testing import FakeClock, FakeIssuer, json_bytes

NOW = 1_800_000_000
ISSUER = FakeIssuer(clock=FakeClock(NOW))
GOOD: dict[str, Any] = {
    "iss": ISSUER.issuer,
    "iat": NOW,
    "exp": NOW + 30,
    "after": 7,
    "seq": 12,
    "more": False,
    "revoked": [["sid", "login-1", NOW + 605], ["jti", "token-1", NOW + 605], ["kid", "key-1", None]],
}


def signed(claims: Any, **header: object) -> bytes:  # noqa: ANN401 -- any JSON
    members = {"alg": "RS256", "typ": "revocations+jwt", "kid": ISSUER.key_id} | header
    return ISSUER.sign(json_bytes(members), json.dumps(claims).encode()).encode()


def said(body: bytes, *, after: int = 7, now: float = NOW) -> Answer:
    """Read an answer with the issuer's key, whatever key it names."""
    jws, _ = take_apart(body)
    key = ISSUER.key_set.known(ISSUER.key_id)
    assert key is not None
    return read(jws, key, issuer=ISSUER.issuer, after=after, wait=20, now=now, leeway=5)


def fault_of(body: bytes, **question: Any) -> str:  # noqa: ANN401 -- see `said`
    with pytest.raises(UnusableAnswerError) as fault:
        said(body, **question)
    return str(fault.value)


def test_a_good_answer_says_everything() -> None:
    """Seq, more and each row in order; claims that are not known are ignored."""
    rows = [
        Revocation("sid", "login-1", NOW + 605),
        Revocation("jti", "token-1", NOW + 605),
        Revocation("kid", "key-1", None),
    ]
    assert said(signed(GOOD)) == Answer(12, more=False, revoked=rows)
    assert said(signed(GOOD | {"more": True, "aud": "urn:x", "jti": "1"})) == Answer(12, more=True, revoked=rows)
    assert said(signed(GOOD | {"revoked": []})) == Answer(12, more=False, revoked=[])
    assert said(signed(GOOD | {"revoked": [], "seq": 7})) == Answer(7, more=False, revoked=[])


def test_a_log_that_was_put_back_is_told_apart() -> None:
    """Its end lies before what was asked: a fault, and one by which all has to be asked for again."""
    with pytest.raises(LogPutBackError, match="goes back behind what was asked"):
        said(signed(GOOD | {"seq": 6, "revoked": []}))


def test_clocks_may_be_a_little_apart() -> None:
    """An answer is good until the leeway after its end."""
    assert said(signed(GOOD), now=NOW + 34.9).seq == 12
    assert "has ended" in fault_of(signed(GOOD), now=NOW + 35)
    assert said(signed(GOOD | {"exp": NOW + 35})).seq == 12


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"iss": "https://other.test"}, "the answer is from https://other.test, not from https://issuer.test"),
        ({"iss": None}, "the answer is from None, not from https://issuer.test"),
        ({"iat": None}, "the answer does not say when it was given and when it ends"),
        ({"exp": None}, "the answer does not say when it was given and when it ends"),
        ({"exp": NOW + 0.5}, "the answer does not say when it was given and when it ends"),
        ({"exp": NOW - 5}, "the answer has ended: it was kept back, or the clocks are apart"),
        ({"exp": NOW + 36}, "the answer is good for too long: "),
        ({"iat": NOW - 6}, "the answer is good for too long: "),
        ({"after": 8}, "the answer is to another question"),
        ({"after": "7"}, "the answer is to another question"),
        ({"after": 7.0}, "the answer is to another question"),
        ({"seq": True}, "the answer has no seq, no more or no revoked of its form"),
        ({"seq": 2**63}, "the answer has no seq, no more or no revoked of its form"),
        ({"seq": -1}, "the answer has no seq, no more or no revoked of its form"),
        ({"more": 0}, "the answer has no seq, no more or no revoked of its form"),
        ({"more": None}, "the answer has no seq, no more or no revoked of its form"),
        ({"revoked": {}}, "the answer has no seq, no more or no revoked of its form"),
        ({"seq": 6}, "the answer goes back behind what was asked"),
        ({"seq": 7}, "the answer goes on without getting on"),
        ({"more": True, "revoked": []}, "the answer goes on without getting on"),
        *(
            ({"revoked": [["sid", "fine", NOW], row]}, "the answer has a row that is none: ")
            for row in (
                7, "sid", [], ["sid"], ["sid", "a"], ["sid", "a", None], ["sid", "a", NOW + 0.5], ["sid", "a", True],
                ["sid", "a", -1], ["sid", "", NOW], ["sid", 7, NOW], ["sid", "a\nb", NOW], ["sid", "a" * 256, NOW],
                ["jti", "a", None], ["kid", "a", NOW], ["kid", "", None], ["kid", None, None], ["sub", "a", NOW],
                ["SID", "a", NOW], ["sid", "a", NOW, 1], {"sid": "a"}, None,
            )
        ),
    ],
)  # fmt: skip
def test_what_is_not_of_the_form_is_not_believed(claims: dict[str, Any], fault: str) -> None:
    """One claim or one row that is not as it should be, and nothing of the answer counts."""
    assert fault_of(signed(GOOD | claims)).startswith(fault)


@pytest.mark.parametrize("missing", GOOD)
def test_no_claim_may_be_missing(missing: str) -> None:
    """Each is required."""
    assert fault_of(signed({name: value for name, value in GOOD.items() if name != missing}))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the answer cannot be read: it has 1 parts instead of three"),
        ("ä.b.c".encode(), "the answer cannot be read: it has characters that are not ASCII"),
        (b"a.b", "the answer cannot be read: it has 2 parts instead of three"),
        (signed(GOOD) + b"=", "the answer cannot be read: it is not canonical base64url without padding"),
        (ISSUER.sign(b"[]", b"{}").encode(), "the answer cannot be read: it is not a JSON object"),
        (ISSUER.sign(b'{"a":1,"a":1}', b"{}").encode(), "the answer cannot be read: it names a JSON member twice"),
        (signed(GOOD, alg="none"), "the answer's header is not one of RS256, revocations+jwt and a kid alone"),
        (signed(GOOD, typ="at+jwt"), "the answer's header is not one of RS256, revocations+jwt and a kid alone"),
        (signed(GOOD, typ="REVOCATIONS+JWT"), "the answer's header is not one of RS256, revocations+jwt and a kid"),
        (signed(GOOD, crit=[]), "the answer's header is not one of RS256, revocations+jwt and a kid alone"),
        (signed(GOOD, jku="https://attacker.test"), "the answer's header is not one of RS256, revocations+jwt and"),
        (
            ISSUER.sign(b'{"alg":"RS256","typ":"revocations+jwt"}', json_bytes(GOOD)).encode(),
            "the answer's header is not one of RS256, revocations+jwt and a kid alone",
        ),
        (signed(GOOD, kid=""), "the answer's header has no kid of 1 to 256 characters"),
        (signed(GOOD, kid=7), "the answer's header has no kid of 1 to 256 characters"),
        (signed(GOOD, kid=None), "the answer's header has no kid of 1 to 256 characters"),
        (signed(GOOD, kid="k" * 257), "the answer's header has no kid of 1 to 256 characters"),
        (signed([]), "the answer's payload cannot be read: it is not a JSON object"),
        (
            ISSUER.sign(b'{"alg":"RS256","typ":"revocations+jwt","kid":"k"}', b'{"seq":1,"seq":2}').encode(),
            "the answer's payload cannot be read: it names a JSON member twice",
        ),
        (
            ISSUER.sign(
                b'{"alg":"RS256","typ":"revocations+jwt","kid":"k"}', json_bytes(GOOD), key=ISSUER.attackers_key()
            ).encode(),
            "the answer's signature is not that of the key which it names",
        ),
    ],
)
def test_what_is_no_answer_is_told_apart(body: bytes, fault: str) -> None:
    """The sentence says what is wrong."""
    assert fault_of(body).startswith(fault)


async def test_an_access_token_is_no_answer_and_an_answer_no_access_token() -> None:
    """Signed by the same key, with the claims of both: the type alone keeps them apart, both ways."""
    both = ISSUER.claims() | GOOD
    verifier = AccessTokenVerifier(
        issuer=ISSUER.issuer, audience=ISSUER.audience, key_set=ISSUER.key_set, clock=ISSUER.clock
    )
    token = ISSUER.sign(json_bytes(ISSUER.header()), json_bytes(both))
    answer = signed(both)
    assert (await verifier.verify(token)).subject
    assert said(answer).seq == 12
    assert "header is not one of RS256, revocations+jwt" in fault_of(token.encode())
    with pytest.raises(InvalidToken, match="wrong_type"):
        await verifier.verify(answer.decode())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_ROW = st.lists(st.sampled_from(["sid", "jti", "kid", None, NOW]) | _json, max_size=4)


@settings(max_examples=100, deadline=None)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jwk"]), _json, max_size=2),
    claims=st.dictionaries(st.sampled_from([*GOOD]), _json | st.lists(_ROW, max_size=3), max_size=2),
)
def test_no_answer_surprises(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """Whatever is signed: an answer of the right types comes out, or one kind of refusal."""
    try:
        answer = said(signed(GOOD | claims, **header))
    except UnusableAnswerError:
        return
    assert type(answer.seq) is int
    assert all(type(row.until) is (int if row.kind != "kid" else type(None)) for row in answer.revoked)
