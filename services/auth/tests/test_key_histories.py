"""Whatever happens to an issuer's keys, in whatever order, what verifiers rely on holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.auth.tests.key_replicas import TIMES, Clock, QuickMaker, Replica, replicas

from auth_service.signing_keys import RotationTooEarly
from service_chassis.sealing import KeyEncryptionKey

if TYPE_CHECKING:
    from tests.postgresql_plugin import NewDatabase

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0.3, 1, 299, 300, 301, 599, 600, 904, 905, 3600, 86400])),
        st.tuples(st.just("rotate"), st.integers(0, 1)),
        st.tuples(st.just("compromise"), st.integers(0, 5)),
        st.tuples(st.just("advance"), st.integers(0, 1)),
        st.tuples(st.just("both rotate"), st.just(0)),
        st.tuples(st.just("restart"), st.integers(0, 1)),
    ),
    min_size=5,
    max_size=14,
)


class Witness:
    """Remembers what was published and what signed when, and says at once what must not have been."""

    def __init__(self) -> None:
        self.first: set[str] = set()
        self.published: dict[str, float] = {}
        self.signed: dict[str, float] = {}
        self.compromised: set[str] = set()
        self.in_emergency = False

    async def look(self, replica: Replica, now: float) -> None:
        """Sign with that process, and hold what it publishes and what the database says against all there was."""
        signer = (await replica.keys.signer(within=0)).kid
        states = await replica.states()
        kids = {key["kid"] for key in json.loads(replica.keys.key_set.body)["keys"]}
        now_compromised = {kid for kid, state in states.items() if state == "compromised"}
        in_state = {state: [kid for kid in states if states[kid] == state] for state in set(states.values())}

        assert in_state["active"] == [signer]
        assert len(in_state["pending"]) == 1
        assert self.compromised <= now_compromised
        assert kids.isdisjoint(now_compromised)
        assert await replica.sealed() == {signer, *in_state["pending"]}
        assert sorted(kid for _, kid, _ in await replica.revoked()) == sorted(now_compromised)
        assert signer in kids
        self.first = self.first or kids
        for kid in kids:
            self.published.setdefault(kid, now)
        # A key signs when every cached key set has it: unless it is of the first, or took over for a compromised one.
        if signer not in self.signed and signer not in self.first and not self.in_emergency:
            assert now >= self.published[signer] + 2 * TIMES.max_age
        # What was signed with a key is verified with it for as long as it can be good, and a cached key set older.
        self.signed[signer] = now
        for kid, last in self.signed.items():
            if kid not in now_compromised and now < last + TIMES.max_token_life + TIMES.leeway:
                assert kid in kids
        self.compromised = now_compromised
        self.in_emergency = False


async def live(url: str, folder: Path, steps: list[tuple[str, float]]) -> None:
    """Let two processes of one issuer go through a history."""
    clock, maker, witness = Clock(), QuickMaker(), Witness()
    async with contextlib.AsyncExitStack() as stack:
        kek = folder / "kek"
        pair = list(await stack.enter_async_context(replicas(url, kek, 2, clock=clock, maker=maker)))
        for step, value in [("begin", 0.0), *steps]:
            at = int(value)
            match step:
                case "wait":
                    clock.now += value
                case "rotate":
                    with contextlib.suppress(RotationTooEarly):
                        await pair[at].transitions.rotate()
                case "both rotate":
                    await asyncio.gather(*(each.transitions.rotate() for each in pair), return_exceptions=True)
                case "compromise":
                    kids = sorted(await pair[0].states())
                    kid = kids[at % len(kids)]
                    witness.in_emergency = (await pair[0].states())[kid] == "active"
                    await pair[at % 2].transitions.compromise(kid)
                case "advance":
                    await pair[at].transitions.advance()
                case "restart":
                    (pair[at],) = await stack.enter_async_context(replicas(url, kek, 1, clock=clock, maker=maker))
            for each in pair:
                await witness.look(each, clock.now)
        KeyEncryptionKey.read(kek)


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_no_history_breaks_what_verifiers_rely_on(steps: list[tuple[str, float]]) -> None:
    """One key signs and one stands ready; none signs too early or goes too soon; none that was compromised returns."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(f"sqlite+aiosqlite:///{folder}/auth.db", Path(folder), steps))


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_the_same_holds_on_postgresql(new_database: NewDatabase, tmp_path: Path, database_kind: str) -> None:
    """One long history that has every step in it, in an order that has been trouble before."""
    url = new_database(tmp_path / "auth.db", "auth_service")
    steps: list[tuple[str, float]] = [
        ("both rotate", 0), ("compromise", 1), ("rotate", 0), ("wait", 599), ("advance", 1), ("wait", 1),
        ("both rotate", 0), ("restart", 1), ("compromise", 0), ("wait", 905), ("advance", 0), ("advance", 1),
        ("compromise", 3), ("compromise", 3), ("wait", 86400), ("advance", 1), ("advance", 0), ("restart", 0),
        ("wait", 904), ("rotate", 1), ("wait", 1), ("advance", 0), ("compromise", 2), ("both rotate", 0),
    ]  # fmt: skip
    await live(url, tmp_path, steps)
