"""Which published keys are accepted."""

from typing import Any

import pytest

from token_verification import StaticKeySet
from token_verification.compact_jws import base64url_encoded
from token_verification.key_set import examined_keys, usable_keys
from token_verification.testing import FakeIssuer


@pytest.fixture
def issuer() -> FakeIssuer:
    issuer = FakeIssuer()
    issuer.rotate()
    return issuer


def test_good_keys_are_kept(issuer: FakeIssuer) -> None:
    """Every sound signing key is kept, by its kid, and gives back the members it was made of."""
    keys, complaints = usable_keys(issuer.jwk_set)
    assert complaints == ()
    assert [key.jwk for key in keys.values()] == issuer.jwk_set["keys"]
    assert set(issuer.jwk_set["keys"][0]) == {"kty", "n", "e", "kid", "use", "alg"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kty": "EC"}, "has kty EC instead of RSA"),
        ({"kty": "oct", "k": "AAAA"}, "has private members"),
        ({"use": "enc"}, "has use enc instead of sig"),
        ({"use": None}, "has use None instead of sig"),
        ({"alg": "PS256"}, "has alg PS256 instead of RS256"),
        ({"alg": None}, "has alg None instead of RS256"),
        ({"kid": None}, "has no kid"),
        ({"kid": ""}, "has no kid"),
        ({"kid": 7}, "has no kid"),
        ({"kid": "k" * 257}, "has no kid"),
        ({"n": None}, "has no n"),
        ({"n": "é"}, "has no n"),
        ({"n": "AQAB="}, "has an n that is not canonical base64url"),
        ({"n": "AQAB"}, "has 17 bits"),
        ({"n": ""}, "has 0 bits"),
        ({"e": "Aw"}, "has an exponent"),
        ({"e": 65537}, "has no e"),
        *(({member: "AAAA"}, "has private members") for member in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")),
    ],
)
def test_bad_keys_are_left_out(issuer: FakeIssuer, change: dict[str, object], complaint: str) -> None:
    """A key that fails one rule is left out with a complaint that says which, and costs no other key its place."""
    bad, good = issuer.jwk_set["keys"]
    keys, complaints = usable_keys({"keys": [bad | change, good]})
    assert list(keys) == [good["kid"]]
    assert len(complaints) == 1
    assert complaint in complaints[0]


@pytest.mark.parametrize("entry", [None, "key", 7, []])
def test_entries_that_are_no_objects_are_left_out(issuer: FakeIssuer, entry: object) -> None:
    """A malformed entry is left out, not fatal."""
    keys, complaints = usable_keys({"keys": [entry, *issuer.jwk_set["keys"]]})
    assert len(keys) == 2
    assert complaints == ("key 0 (kid None) is not a JSON object",)


def test_a_repeated_kid_is_refused_every_time(issuer: FakeIssuer) -> None:
    """Two keys under one kid: nobody can tell which was meant, so neither counts, also if one is bad."""
    first, second = issuer.jwk_set["keys"]
    for twin in (second | {"kid": first["kid"]}, first, first | {"use": "enc"}):
        for entries in ([first, twin, second], [twin, second, first]):
            keys, complaints = usable_keys({"keys": entries})
            assert list(keys) == [second["kid"]]
            assert len(complaints) == 2


def test_a_leading_zero_byte_is_not_counted(issuer: FakeIssuer) -> None:
    """Some writers put a zero byte before the modulus: the key is the same."""
    key = issuer.jwk_set["keys"][0]
    numbers = issuer.key_set._keys[key["kid"]].public_key.public_numbers()
    padded = base64url_encoded(b"\x00" + numbers.n.to_bytes(256, "big")).decode()
    keys, complaints = usable_keys({"keys": [key | {"n": padded}]})
    assert complaints == ()
    assert keys[key["kid"]].public_key.public_numbers() == numbers


def test_each_entry_is_told_apart(issuer: FakeIssuer) -> None:
    """Whoever shows a key set to a person sees for each entry, in its place, the key or why there is none."""
    first, second = issuer.jwk_set["keys"]
    found = list(examined_keys({"keys": [first | {"kty": "EC"}, second, None]}))
    assert [each.entry for each in found] == [first | {"kty": "EC"}, second, None]
    assert [each.key and each.key.key_id for each in found] == [None, second["kid"], None]
    assert [each.refusal for each in found] == ["has kty EC instead of RSA", None, "is not a JSON object"]


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "AAAA"}])
def test_what_is_no_key_set_is_an_error(document: dict[str, Any]) -> None:
    """Without a list of keys it is no JWK Set (RFC 7517, section 5.1)."""
    with pytest.raises(ValueError, match="no list of keys"):
        usable_keys(document)


async def test_static_key_set_knows_its_keys(issuer: FakeIssuer) -> None:
    """A static key set has what it was given, and finds nothing more."""
    key_set = issuer.key_set
    key = key_set.known(issuer.key_id)
    assert key is not None
    assert await key_set.find(issuer.key_id) is key
    assert key_set.known("other") is None
    assert await key_set.find("other") is None


def test_static_key_set_hears_of_bad_keys(issuer: FakeIssuer) -> None:
    """One's own key set is not filtered in silence: a bad key, or none at all, is a mistake to be heard of."""
    entries = issuer.jwk_set["keys"]
    with pytest.raises(ValueError, match="has use enc"):
        StaticKeySet({"keys": [entries[0] | {"use": "enc"}, entries[1]]})
    with pytest.raises(ValueError, match="it has no keys"):
        StaticKeySet({"keys": []})
