"""An experiment's result moves under a change that must move it, and under no other."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from side_by_side.exchange import request_bytes
from side_by_side.experiments import (
    check_cost,
    cookie_scope,
    forgery,
    logout_timeline,
    look_ups,
    one_device,
    outage,
    page_script,
    replay,
    request_cost,
    second_server,
    server_restart,
    stored_state,
    wire_bytes,
)
from side_by_side.laboratory import PLAIN, Laboratory, laboratory
from side_by_side.load import _asyncio
from side_by_side.relay import Relay
from side_by_side.result import Result
from side_by_side.store_server import StoreServer
from side_by_side.ways import ExpiredError, Server

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(ROOT, quick=False) as running:  # with every way there is
        if running.no_store:
            pytest.skip(running.no_store)
        yield replace(running, quick=True)


@pytest.fixture
def without_feed(lab: Laboratory) -> Laboratory:
    """Give the laboratory with the feed switched off: what is said to follow it is a profile that does not."""
    server = Server(PLAIN, lab.ports[PLAIN], "/api/profile")
    ways = {"jwt-followed": replace(lab.ways["jwt-followed"], servers=(server,))}
    return replace(lab, ways=ways)


@pytest.fixture
def only_followed(lab: Laboratory) -> Laboratory:
    return replace(lab, ways={"jwt-followed": lab.ways["jwt-followed"]})


def medians(result: Result) -> dict[str, float]:
    return {name: each.median for name, each in result.measured.items()}


def test_a_longer_token_is_more_on_the_wire(lab: Laboratory) -> None:
    """A name of sixty letters more is eighty more bytes in a JWT, at each request, and none in a session id."""
    short, long = medians(wire_bytes.measure(lab, name="A")), medians(wire_bytes.measure(lab, name="A" * 61))
    for way in lab.ways.values():
        grown = long[f"request: {way.key}"] - short[f"request: {way.key}"]
        assert (grown == 0) if way.kind == "session" else (78 <= grown <= 82), way.key


def test_a_slower_store_is_a_slower_check(lab: Laboratory) -> None:
    """A store that is 20 ms away makes the session's check that much longer, and leaves the token's as it is."""
    assert lab.store is not None
    port = lab.store.port
    with Relay(lambda: port) as wire:
        wire.delay = 0.02
        far = medians(check_cost.measure(replace(lab, store=StoreServer("far away", wire.port, None))))
    assert far["session-valkey"] >= 20_000
    assert far["jwt, first use"] < 20_000
    assert far["session-memory"] < 20_000


def test_a_slower_store_is_a_slower_request(lab: Laboratory) -> None:
    """Under load too, by whichever tool makes it: every request waits for the store's 20 ms."""
    server = Server("twin-valkey-2", lab.ports["twin-valkey-2"], "/api/profile")
    way = replace(lab.ways["session-valkey"], servers=(server,))
    lab.store_wire.delay = 0.02
    try:
        cost = request_cost.measure(replace(lab, ways={"session-valkey": way})).measured
        request = request_bytes("GET", server.path, "twin", way.log_in(way.register()).headers)
        load = asyncio.run(_asyncio(server, [request], clients=2, seconds=1))
    finally:
        lab.store_wire.delay = 0.0
    assert cost["latency: session-valkey, 8"].median >= 20
    assert load.percentile(50) >= 20


def test_a_token_that_is_new_costs_its_check(lab: Laboratory) -> None:
    """Each request with another token is a signature checked for each; with the same one again it is not."""
    plain = replace(lab, ways={"jwt-plain": lab.ways["jwt-plain"]})
    places = [f"processor: jwt-plain{each}, {request_cost.LEVEL}" for each in (request_cost.NEW, "")]
    for _ in range(3):
        cost = request_cost.measure(plain).measured
        if places[0] in cost:
            break
    else:
        pytest.fail("in three tries, too few tokens could be made for a measurement")
    assert cost[places[0]].median > 1.2 * cost[places[1]].median


def test_a_restart_forgets_what_is_in_memory(lab: Laboratory) -> None:
    """And nothing else: the session in Valkey is known to the process that comes after."""
    in_memory, in_valkey = lab.ways["session-memory"], lab.ways["session-valkey"]
    found = server_restart.measure(replace(lab, ways={"session-memory": in_memory, "session-valkey": in_valkey}))
    assert medians(found) == {"session-memory": 0, "session-valkey": 3}


def test_the_feed_is_what_ends_a_jwt(without_feed: Laboratory, only_followed: Laboratory) -> None:
    """With it, a login that ended is refused at every server long before its token's end; without it, never before.

    That a token has expired is never taken for either.
    """
    way = only_followed.ways["jwt-followed"]
    forgotten = way.log_in(way.register())
    followed = logout_timeline.measure(only_followed).measured["jwt-followed"]
    plain = logout_timeline.measure(without_feed).measured["jwt-followed"]
    assert followed.median < 1000 * only_followed.token_life / 2
    assert plain.median > 1000 * (without_feed.token_life - 1)
    assert medians(replay.measure(only_followed)) == {"jwt-followed": 0}
    assert medians(replay.measure(without_feed)) == {"jwt-followed": 100}
    assert medians(one_device.measure(only_followed)) == {"jwt-followed: ended": 0, "jwt-followed: others": 100}
    assert medians(one_device.measure(without_feed)) == {"jwt-followed: ended": 100, "jwt-followed: others": 100}
    with pytest.raises(ExpiredError):
        way.use(forgotten)


def test_in_a_cookie_a_jwt_ends_likewise(lab: Laboratory) -> None:
    """Log-out, on this device or another, ends what is in the cookie, and no renewal brings it back."""
    only = replace(lab, ways={"jwt-cookie": lab.ways["jwt-cookie"]})
    assert logout_timeline.measure(only).measured["jwt-cookie"].median < 1000 * only.token_life / 2
    assert medians(replay.measure(only)) == {"jwt-cookie": 0}
    assert medians(one_device.measure(only)) == {"jwt-cookie: ended": 0, "jwt-cookie: others": 100}


def test_a_look_up_is_counted_where_there_is_one(lab: Laboratory) -> None:
    """The twin whose sessions are in Valkey asks once per request; with another twin in its place, nothing is asked."""
    counted = medians(look_ups.measure(lab))
    assert counted["session-valkey"] == pytest.approx(1, abs=0.05)
    assert counted["jwt-followed"] < 0.1
    assert counted["jwt-cookie"] < 0.2
    in_memory = replace(
        lab,
        ports=lab.ports | {"twin-valkey-2": lab.ports["twin-memory"]},
        ways=lab.ways | {"session-valkey": lab.ways["session-memory"]},
    )
    assert medians(look_ups.measure(in_memory))["session-valkey"] == 0


def test_who_is_let_in_elsewhere(lab: Laboratory) -> None:
    """A session goes where its store is, a token everywhere; given the shared store, the first does so too."""
    assert medians(second_server.measure(lab)) == {
        "session-memory": 0,
        "session-valkey": 100,
        "jwt-plain": 100,
        "jwt-followed": 100,
        "jwt-cookie": 100,
    }
    shared = replace(lab, ways=lab.ways | {"session-memory": lab.ways["session-valkey"]})
    assert medians(second_server.measure(shared))["session-memory"] == 100


def test_who_could_forge(lab: Laboratory) -> None:
    """Whoever holds a shared secret, or the store; nobody who has public keys, until a private one lies beside them."""
    assert medians(forgery.measure(lab)) == {"hs256": 100, "rs256": 0, "jwt-cookie": 0, "session-valkey": 100}
    leaked = lab.stack.data.of("profile") / "leaked.pem"
    leaked.write_text("-----BEGIN PRIVATE KEY-----\n")
    try:
        assert medians(forgery.measure(lab))["rs256"] == 100
    finally:
        leaked.unlink()


def test_what_stays_at_a_server(lab: Laboratory) -> None:
    """Stores and auth grow with logins, profile does not; and every kind of state grows with its users."""
    result = stored_state.measure(lab)
    found = medians(result)
    assert found["jwt: server"] == 0
    for name in ("session-memory: server", "session-valkey: server", "session-sqlite: server", "jwt: auth"):
        assert found[name] > 100, name
    assert found["jwt-followed: client"] > 10 * found["session-valkey: client"]
    for points in result.facts["simulated"].values():
        assert points[-1][0] == 100_000
        assert points[-1][1] > points[0][1] > 0


def test_what_a_browser_would_do(lab: Laboratory) -> None:
    """A script reads what is not HttpOnly; other sites' pages send what SameSite lets them."""
    script = medians(page_script.measure(lab))
    assert script["session"] == 0 < script["session, without HttpOnly"] < script["jwt in local storage"]
    assert script["jwt-cookie"] == 0
    scope = cookie_scope.measure(lab)
    assert medians(scope) == {
        "as it is (Lax)": 1, "SameSite=Strict": 0, "SameSite=None": 4, "Path=/api": 0, "jwt-cookie": 0,
    }  # fmt: skip
    assert scope.facts["carried"]["Path=/api"][0] is True


def test_what_an_outage_stops(lab: Laboratory) -> None:
    """Without the store no session is answered, without auth every token is; and both are mended afterwards."""
    found = medians(outage.measure(lab))
    assert (found["session-valkey"], found["jwt-plain"], found["jwt-followed"]) == (0, 100, 100)
    assert found["jwt-cookie"] == 100
    assert {value for name, value in found.items() if "log in" in name} == {0}
    way = lab.ways["jwt-followed"]
    assert way.use(way.log_in(way.register())).status == 200
