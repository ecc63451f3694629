"""What is remembered of revocations, and for how long."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from token_verification.revocation_answer import Kind
from token_verification.revocation_set import RevocationSet


def test_each_kind_is_a_world_of_its_own() -> None:
    """A login, a token and a key of one name are three things."""
    known = RevocationSet()
    known.add("sid", "a", 100)
    assert ("a" in known.logins, "a" in known.tokens, "a" in known.keys) == (True, False, False)
    known.add("jti", "b", 100)
    assert ("b" in known.logins, "b" in known.tokens, "b" in known.keys) == (False, True, False)
    known.add("kid", "c", None)
    assert ("c" in known.logins, "c" in known.tokens, "c" in known.keys) == (False, False, True)
    assert len(known) == 3
    assert Counter(row.kind for row in known) == {"sid": 1, "jti": 1, "kid": 1}


def test_forgetting_is_done_in_pieces() -> None:
    """However much is over at once, one step forgets a small part of it; what is not over stays."""
    known = RevocationSet()
    for number in range(20_000):
        known.add("sid", f"{number}", 100 + number % 2)
        known.add("jti", f"{number}", 101)
    sizes = [len(known), *(len(known) for _ in known.forget(100))]
    assert max(before - after for before, after in itertools.pairwise(sizes)) < 1500
    assert sorted(int(id_) for id_, _ in known.logins) == list(range(1, 20_000, 2))
    assert len(known.tokens) == 20_000
    assert len(list(known.forget(101))) >= 10
    assert (len(known), list(known.forget(102))) == (0, [])


_ROWS = st.tuples(st.sampled_from(["sid", "jti"]), st.sampled_from("abcd"), st.integers(0, 2000))


@settings(max_examples=200, deadline=None)
@given(st.lists(_ROWS | st.integers(0, 2000), max_size=40))
def test_it_is_a_dictionary_with_ends(steps: list[tuple[Kind, str, int] | int]) -> None:
    """In any order of adding and forgetting: what was ever to be remembered beyond now is there, and nothing else."""
    known, model = RevocationSet(), dict[tuple[Kind, str], int]()
    for step in steps:
        if isinstance(step, int):
            for _ in known.forget(step):
                pass
            model = {key: until for key, until in model.items() if until > step}
        else:
            kind, id_, until = step
            known.add(kind, id_, until)
            model[kind, id_] = max(until, model.get((kind, id_), 0))
        assert {(row.kind, row.id): row.until for row in known} == model
        for name in "abcd":
            assert (name in known.logins, name in known.tokens) == (("sid", name) in model, ("jti", name) in model)


def test_those_that_end_together_share_their_time() -> None:
    """A million numbers that are equal would be 32 MB of them."""
    known = RevocationSet()
    for number in range(100):
        known.add("sid", f"{number}", int("1800000605"))
    assert len({id(until) for _, until in known.logins}) == 1


@pytest.mark.parametrize("until", [0, 253_402_300_799])
def test_the_ends_of_time(until: int) -> None:
    """The first second of the epoch and the last of the calendar are times like others."""
    known = RevocationSet()
    known.add("sid", "a", until)
    assert "a" in known.logins
