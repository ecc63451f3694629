"""Whatever happens, in whatever order, a feed is a simple thing: what it has applied it refuses, until that is over."""

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from libs.token_verification.tests.following import Service, Time, eventually, issuer_at, running

from token_verification.revocation_answer import Kind
from token_verification.testing import FakeIssuer

IDS = [f"{number}" for number in range(4)]


@dataclass
class Revoke:
    """The issuer revokes something, for a while or (a key) for ever."""

    kind: Kind
    id: str
    remember_for: int = 605


@dataclass
class Go:
    """Time passes."""

    seconds: float


@dataclass
class Replay:
    """Whatever is asked gets this old answer, for a while."""

    which: int


@dataclass
class Restart:
    """The service is stopped and starts again; a crash in the middle of a write leaves a torn end."""

    torn_bytes: int


@dataclass
class PutBack:
    """The issuer's database becomes what it was some revocations ago."""

    rows: int


@dataclass
class Outage:
    """The feed is not to be had, until the next of these."""


Step = Revoke | Go | Replay | Restart | PutBack | Outage

STEPS = st.lists(
    st.one_of(
        st.builds(Revoke, st.sampled_from(["sid", "jti", "kid"]), st.sampled_from(IDS), st.sampled_from([3, 40, 605])),
        st.builds(Go, st.sampled_from([0.2, 6, 25, 100])),
        st.builds(Replay, st.integers(0, 30)),
        st.builds(Restart, st.sampled_from([0, 0, 1, 30, 1000])),
        st.builds(PutBack, st.integers(1, 3)),
        st.builds(Outage),
    ),
    min_size=4,
    max_size=14,
)


@dataclass
class World:
    """An issuer, a service that follows it, and what has to be refused."""

    issuer: FakeIssuer
    time: Time
    journal: Path
    service: Service
    contexts: contextlib.AsyncExitStack
    applied: dict[tuple[Kind, str], float] = field(default_factory=dict)
    """What the service has refused, and until when it has to go on doing so."""
    ever: set[tuple[Kind, str]] = field(default_factory=set)
    seq: int = 0

    async def start(self) -> None:
        self.contexts = contextlib.AsyncExitStack()
        context = running(self.issuer, self.time, journal=self.journal)
        self.service = await self.contexts.enter_async_context(context)

    def refused(self) -> set[tuple[Kind, str]]:
        feed = self.service.feed
        asks = {"sid": feed.login_has_ended, "jti": feed.token_is_revoked, "kid": feed.key_is_revoked}
        return {(kind, id_) for kind in ("sid", "jti", "kid") for id_ in IDS if asks[kind](id_)}

    async def caught_up(self) -> None:
        """Wait until the service has applied all that the issuer has, if it can be asked."""
        for _ in range(100):
            await self.time.advance(0.5)
            if self.service.feed.fault is None and self.service.feed.seq >= self.issuer.feed.head:
                return
        raise AssertionError(self.service.feed.fault)

    async def take(self, step: Step) -> None:
        feed = self.issuer.feed
        match step:
            case Revoke(kind, id_, remember_for):
                feed.remember_for = remember_for
                feed.append(kind, id_)
                self.ever.add((kind, id_))
                await self.time.advance(0.001)
            case Go(seconds):
                await self.time.advance(seconds)
            case Replay(which) if feed.answered and feed.behaviour == "well":
                feed.behaviour, answered = "replayed", feed.answered
                feed.answered = [answered[which % len(answered)]]
                feed.wake()
                await self.time.advance(1)
                feed.behaviour, feed.answered = "well", answered
            case Restart(torn_bytes):
                await self.contexts.aclose()
                if torn_bytes:
                    path = self.journal / "revocations-0.journal"
                    path.write_bytes(path.read_bytes()[:-torn_bytes])
                    self.applied, self.seq = {}, 0
                await self.start()
            case PutBack(rows):
                del feed.log[-rows:]
                feed.head = feed.log[-1][0] if feed.log else 0
            case Outage():
                feed.behaviour = "down" if feed.behaviour == "well" else "well"
                feed.wake()

    async def check(self) -> None:
        feed, now = self.service.feed, self.time.wall()
        if self.issuer.feed.behaviour == "well":
            await self.caught_up()
            now = self.time.wall()
            for _, row in self.issuer.feed.log:
                self.applied[row.kind, row.id] = max(
                    float("inf") if row.until is None else row.until, self.applied.get((row.kind, row.id), 0)
                )
        await eventually(lambda: feed._writing is None or feed._writing.done())
        refused = self.refused()
        assert refused <= self.ever
        assert refused >= {key for key, until in self.applied.items() if until > now}
        assert feed.seq >= min(self.seq, self.issuer.feed.head)
        self.seq = feed.seq


@settings(max_examples=25, deadline=None)
@given(STEPS)
async def test_what_was_applied_stays_applied(steps: list[Step]) -> None:
    """Over any course of revocations, replays, outages, restarts, crashes and databases put back: all that a service
    has applied it refuses until its time is over, also where nobody can be asked; what the issuer has it refuses as
    soon as it can ask; and it refuses nothing that was never revoked. Its seq goes back only with the issuer's.
    """
    with tempfile.TemporaryDirectory() as directory:
        time = Time(now=0)
        issuer = issuer_at(time)
        world = World(issuer, time, Path(directory), Service(issuer, time), contextlib.AsyncExitStack())
        await world.start()
        try:
            for step in steps:
                await world.take(step)
                await world.check()
        finally:
            await world.contexts.aclose()
