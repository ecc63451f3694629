"""Conditions on requests, by the comparisons that RFC 9110 section 13 prescribes."""

import pytest
from starlette.datastructures import Headers

from service_chassis.conditional_requests import entity_tag, is_unchanged, matches_anything, require_match
from service_chassis.problems import Problem

TAG = entity_tag(b"{}")


def _headers(name: str, *values: str) -> Headers:
    return Headers(raw=[(name.encode(), value.encode("latin-1")) for value in values])


@pytest.mark.parametrize("named", [TAG, f"W/{TAG}", f'"other", {TAG}', "*"])
def test_a_representation_that_the_client_has_is_unchanged(named: str) -> None:
    """If-None-Match compares weakly, takes a list, and `*` names whatever there is."""
    assert is_unchanged(_headers("if-none-match", named), TAG)


@pytest.mark.parametrize("named", ['"other"', "", TAG.strip('"'), f"{TAG[:-2]}"])
def test_a_representation_that_the_client_has_not_is_sent(named: str) -> None:
    """Another tag, none, and what is no tag at all do not name the representation."""
    assert not is_unchanged(_headers("if-none-match", named), TAG)


@pytest.mark.parametrize("values", [(TAG,), (f'"other", {TAG}',), ('"other"', TAG), ("*",), (f'W/"other",{TAG}',)])
def test_a_write_that_names_the_current_representation_passes(values: tuple[str, ...]) -> None:
    """If-Match takes a list, in one header or in several, and `*` for whatever there is."""
    require_match(_headers("if-match", *values), TAG)


@pytest.mark.parametrize("named", ['"other"', f"W/{TAG}", "", "nonsense", TAG.strip('"'), f"*, {TAG[:-1]}"])
def test_a_write_that_names_another_representation_is_refused(named: str) -> None:
    """If-Match compares strongly: another tag, a weak one, and what is no tag are all 412."""
    with pytest.raises(Problem) as refusal:
        require_match(_headers("if-match", named), TAG)
    assert (refusal.value.status, refusal.value.reason) == (412, "precondition_failed")


def test_a_write_without_a_condition_is_refused() -> None:
    """Without If-Match the answer is 428, which tells the client what to send."""
    with pytest.raises(Problem) as refusal:
        require_match(Headers(), TAG)
    assert (refusal.value.status, refusal.value.reason) == (428, "precondition_required")


def test_only_a_star_alone_matches_anything() -> None:
    """A star beside tags is not the star of RFC 9110 section 13.1.1."""
    assert matches_anything(_headers("if-match", " * "))
    assert not matches_anything(_headers("if-match", f"*, {TAG}"))
