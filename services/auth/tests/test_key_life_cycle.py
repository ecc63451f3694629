"""What may become of a signing key, and when: every pair of states, and every edge in time. No database, no clock."""

from __future__ import annotations

import itertools

import pytest
from services.auth.tests.key_replicas import START, TIMES

from auth_service.signing_keys import KeyRecord, KeyRing, KeyState, KeyTimes
from auth_service.signing_keys.life_cycle import Forecast, IllegalTransition, first_pair, moved, published
from service_chassis.sealing import KeysUnusable

PENDING, ACTIVE, RETIRING, REMOVED, COMPROMISED = KeyState
NOW = START

LEGAL = {
    (PENDING, ACTIVE),
    (ACTIVE, RETIRING),
    (RETIRING, REMOVED),
    (PENDING, COMPROMISED),
    (ACTIVE, COMPROMISED),
    (RETIRING, COMPROMISED),
    (REMOVED, COMPROMISED),
}


@pytest.mark.parametrize(("state", "to"), list(itertools.product(KeyState, KeyState)))
def test_a_key_goes_where_the_protocol_says_and_nowhere_else(state: KeyState, to: KeyState) -> None:
    """Of all pairs of states seven are transitions; an emergency allows no other."""
    key = KeyRecord("kid", state, int(NOW), int(NOW) if state in {PENDING, RETIRING} else None)
    for emergency in (False, True):
        if (state, to) in LEGAL:
            after = moved(key, to, now=NOW, times=TIMES, emergency=emergency)
            assert (after.kid, after.state, after.since) == ("kid", to, NOW)
        else:
            with pytest.raises(IllegalTransition) as refused:
                moved(key, to, now=NOW + 1e9, times=TIMES, emergency=emergency)
            assert refused.value.possible_at is None


def test_a_pending_key_signs_after_twice_the_max_age_and_not_a_second_before() -> None:
    """600 s by the protocol's numbers; whoever asks too early hears when it will be possible."""
    key = published("kid", now=NOW, times=TIMES)
    with pytest.raises(IllegalTransition) as early:
        moved(key, ACTIVE, now=NOW + 599, times=TIMES)
    assert early.value.possible_at == NOW + 600
    assert moved(key, ACTIVE, now=NOW + 600, times=TIMES).state is ACTIVE


def test_a_retiring_key_goes_after_all_it_signed_and_not_a_second_before() -> None:
    """The longest life of a token, the leeway and the max age: 905 s by the protocol's numbers."""
    key = moved(KeyRecord("kid", ACTIVE, 0), RETIRING, now=NOW, times=TIMES)
    with pytest.raises(IllegalTransition) as early:
        moved(key, REMOVED, now=NOW + 904, times=TIMES)
    assert early.value.possible_at == NOW + 905
    assert moved(key, REMOVED, now=NOW + 905, times=TIMES).state is REMOVED


@pytest.mark.parametrize("begun", [NOW, NOW + 0.001, NOW + 0.999])
def test_a_fraction_of_a_second_never_shortens_a_wait(begun: float) -> None:
    """Whole seconds are stored, and a bound is rounded up: also where all durations are short."""
    times = KeyTimes(max_age=0.5, max_token_life=1, leeway=0.25, rotate_every=5)
    assert (published("kid", now=begun, times=times).held_until or 0) >= begun + times.pending_for
    retiring = moved(KeyRecord("kid", ACTIVE, 0), RETIRING, now=begun, times=times)
    assert (retiring.held_until or 0) >= begun + times.retiring_for


def test_what_a_bound_was_when_a_key_entered_its_state_holds() -> None:
    """Shorter settings after a restart release no key sooner: caches and tokens of before know nothing of them."""
    shorter = KeyTimes(max_age=3, max_token_life=6, leeway=0, rotate_every=86400)
    with pytest.raises(IllegalTransition):
        moved(published("kid", now=NOW, times=TIMES), ACTIVE, now=NOW + 599, times=shorter)
    retiring = moved(KeyRecord("kid", ACTIVE, 0), RETIRING, now=NOW, times=TIMES)
    with pytest.raises(IllegalTransition):
        moved(retiring, REMOVED, now=NOW + 904, times=shorter)


def test_the_first_pair_is_usable_at_once() -> None:
    """Nobody can have cached a key set without the second key, when there was none without it."""
    ring = KeyRing(first_pair("one", "two", now=NOW), times=TIMES)
    changes = ring.rotated(NOW)
    assert [(key.kid, key.state) for key in changes] == [("one", RETIRING), ("two", ACTIVE)]


def ring_of(*, pending_since: float) -> KeyRing:
    return KeyRing(
        [
            KeyRecord("active", ACTIVE, int(NOW)),
            published("pending", now=pending_since, times=TIMES),
            KeyRecord("retiring", RETIRING, int(NOW), int(NOW) + 905),
            KeyRecord("removed", REMOVED, int(NOW)),
            KeyRecord("compromised", COMPROMISED, int(NOW)),
        ],
        times=TIMES,
    )


def test_only_for_a_compromised_active_key_is_a_pending_one_hurried() -> None:
    """No rotation promotes it before its time, and no other key's compromise at all."""
    ring = ring_of(pending_since=NOW)
    with pytest.raises(IllegalTransition):
        ring.rotated(NOW)
    for kid in ("pending", "retiring", "removed"):
        assert [(key.kid, key.state) for key in ring.compromised(kid, NOW)] == [(kid, COMPROMISED)]
    emergency = ring.compromised("active", NOW)
    assert [(key.kid, key.state) for key in emergency] == [("active", COMPROMISED), ("pending", ACTIVE)]
    with pytest.raises(IllegalTransition):
        ring.compromised("compromised", NOW)
    with pytest.raises(KeyError):
        ring.compromised("nobody's", NOW)


def test_what_is_due_is_what_time_alone_brings() -> None:
    """A rotation once the active key is old and its successor ripe; a removal once no token can need it."""
    ring = ring_of(pending_since=NOW)
    assert ring.rotation_due_at() == NOW + 86400
    assert ring_of(pending_since=NOW + 86000).rotation_due_at() == NOW + 86600  # the successor is the younger one
    assert ring.next_due_at() == NOW + 905
    assert ring.lapsed(NOW + 904) == []
    assert [(key.kid, key.state) for key in ring.lapsed(NOW + 905)] == [("retiring", REMOVED)]
    without = ring.after(ring.compromised("pending", NOW))
    assert without.next_due_at() == 0  # a key has to stand ready


def test_a_forecast_says_what_is_next_and_from_when_it_can_be_had() -> None:
    """For an administrator's list: by itself, and by hand."""
    ring = ring_of(pending_since=NOW)
    turning = (NOW + 86400, NOW + 600)
    seen = {kid: ring.forecast(key) for kid in ("active", "pending", "retiring", "removed", "compromised")
            if (key := ring.find(kid))}  # fmt: skip
    assert seen == {
        "active": Forecast(RETIRING, *turning),
        "pending": Forecast(ACTIVE, *turning),
        "retiring": Forecast(REMOVED, NOW + 905, NOW + 905),
        "removed": None,
        "compromised": None,
    }


@pytest.mark.parametrize("states", [(), (PENDING,), (ACTIVE, ACTIVE), (COMPROMISED, PENDING)])
def test_a_ring_has_exactly_one_active_key(states: tuple[KeyState, ...]) -> None:
    """Keys without one are a matter for a person, in a sentence."""
    with pytest.raises(KeysUnusable, match="no active one"):
        KeyRing([KeyRecord(str(number), state, 0, 0) for number, state in enumerate(states)], times=TIMES)


def test_nothing_follows_an_active_key_without_a_successor() -> None:
    """Neither a rotation nor a compromise leaves an issuer that cannot sign."""
    ring = KeyRing([KeyRecord("active", ACTIVE, int(NOW))], times=TIMES)
    with pytest.raises(KeysUnusable, match="no pending"):
        ring.rotated(NOW)
    with pytest.raises(KeysUnusable, match="no pending"):
        ring.compromised("active", NOW)
