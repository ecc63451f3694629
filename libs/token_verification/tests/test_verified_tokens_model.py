"""Whatever happens, in whatever order, a verifier that remembers tokens answers as one that does not."""

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from libs.token_verification.tests.following import Time, issuer_at

from token_verification import AccessToken, AccessTokenVerifier, RemoteKeySet, RevocationFeed, VerificationError
from token_verification.testing import FakeIssuer

SIDS = ["login-0", "login-1", "login-2"]


@dataclass
class Issue:
    """The issuer signs a token, perhaps one that begins later."""

    sid: str
    expires_in: int
    begins_in: int


@dataclass
class Revoke:
    """A login ends, one of the tokens is revoked, or the oldest key, which is still published."""

    kind: Literal["sid", "jti", "kid"]
    which: int


@dataclass
class Rotate:
    """The issuer signs with another key from now on."""


@dataclass
class Retire:
    """The issuer's oldest key leaves its key set, and time passes."""

    seconds: float


@dataclass
class Compromise:
    """The issuer's key is revoked, and another takes its place; it may forget to take it out of the key set."""

    is_retired: bool


@dataclass
class Go:
    """Time passes."""

    seconds: float


@dataclass
class SetClock:
    """The wall clock of the verifiers is set forward, or back."""

    ahead: float


@dataclass
class LoseFeed:
    """The feed is not to be had, until the next of these."""


@dataclass
class LoseKeySet:
    """The key set is not to be had, until the next of these."""


@dataclass
class Restart:
    """The process starts again, with what lies on disk."""


Step = Issue | Revoke | Rotate | Retire | Compromise | Go | SetClock | LoseFeed | LoseKeySet | Restart
ISSUE = st.builds(Issue, st.sampled_from(SIDS), st.sampled_from([3, 60, 300]), st.sampled_from([0, 0, 0, 4, 9]))

STEPS = st.lists(
    st.one_of(
        ISSUE,
        ISSUE,
        st.builds(Revoke, st.sampled_from(["sid", "jti", "kid"]), st.integers(0, 9)),
        st.builds(Rotate),
        st.builds(Retire, st.sampled_from([0, 60])),
        st.builds(Compromise, st.booleans()),
        st.builds(Go, st.sampled_from([0.5, 4, 9, 40, 130])),
        st.builds(SetClock, st.sampled_from([-70, -6, 0, 6, 70])),
        st.builds(LoseFeed),
        st.builds(LoseKeySet),
        st.builds(Restart),
    ),
    min_size=5,
    max_size=16,
)


@dataclass
class World:
    """An issuer, and a process that verifies each token thrice: remembering nothing, two tokens, and enough."""

    mode: Literal["follow", "strict", "plain"]
    directory: Path
    time: Time = field(default_factory=lambda: Time(now=0))
    ahead: float = 0
    tokens: list[tuple[str, str]] = field(default_factory=list)
    """Each with its `jti`."""

    def __post_init__(self) -> None:
        self.issuer: FakeIssuer = issuer_at(self.time)
        self.key_ids = [self.issuer.key_id]

    async def start(self) -> None:
        self.contexts = contextlib.AsyncExitStack()
        times = {"clock": self.time, "sleep": self.time.sleep}
        http = await self.contexts.enter_async_context(httpx.AsyncClient(transport=self.issuer.transport))
        key_set = RemoteKeySet(
            self.issuer.jwks_uri,
            issuer=self.issuer.issuer,
            http=http,
            stored_at=self.directory / "key-set.json",
            keep_for=120,
            wall_clock=self.time.wall,
            **times,  # type: ignore[arg-type]
        )
        feed = None
        await self.contexts.enter_async_context(key_set)
        if self.mode != "plain":
            feed = RevocationFeed(
                self.issuer.feed_uri,
                issuer=self.issuer.issuer,
                key_set=key_set,
                http=http,
                journal=self.directory,
                mode=self.mode,
                wait=2 if self.mode == "strict" else 20,
                wall_clock=self.time.wall,
                **times,  # type: ignore[arg-type]
            )
            await self.contexts.enter_async_context(feed)
        self.verifiers = [
            AccessTokenVerifier(
                issuer=self.issuer.issuer,
                audience=self.issuer.audience,
                key_set=key_set,
                revocations=feed,
                remembered=remembered,
                clock=lambda: self.time.wall() + self.ahead,
            )
            for remembered in (0, 2, 100)
        ]
        await self.time.settle()

    async def take(self, step: Step) -> None:
        issuer = self.issuer
        match step:
            case Issue(sid, expires_in, begins_in):
                jti, now = f"token-{len(self.tokens)}", int(issuer.clock())
                token = issuer.token(
                    sid=sid, jti=jti, iat=now + begins_in, auth_time=now, exp=now + begins_in + expires_in
                )
                self.tokens.append((token, jti))
            case Revoke(kind, which):
                self.revoke(kind, which)
            case Rotate() | Retire() | Compromise():
                await self.change_keys(step)
            case Go(seconds):
                await self.time.advance(seconds)
            case SetClock(ahead):
                self.ahead = ahead
            case LoseFeed():
                issuer.feed.behaviour = "down" if issuer.feed.behaviour == "well" else "well"
                issuer.feed.wake()
            case LoseKeySet():
                issuer.behaviour = "down" if issuer.behaviour == "well" else "well"
            case Restart():
                await self.contexts.aclose()
                await self.start()
        await self.time.settle()

    def revoke(self, kind: Literal["sid", "jti", "kid"], which: int) -> None:
        match kind:
            case "sid":
                self.issuer.revoke(sid=SIDS[which % len(SIDS)])
            case "jti":
                self.issuer.revoke(jti=self.tokens[which % len(self.tokens)][1])
            case "kid":
                self.issuer.revoke(kid=self.key_ids[0])

    async def change_keys(self, step: Rotate | Retire | Compromise) -> None:
        issuer = self.issuer
        match step:
            case Rotate():
                self.key_ids.append(issuer.rotate())
            case Retire(seconds):
                issuer.retire(self.key_ids[0])
                self.key_ids = self.key_ids[1:] or [issuer.rotate()]
                await self.time.advance(seconds)
            case Compromise(is_retired):
                compromised = issuer.key_id
                self.key_ids.append(issuer.rotate())
                if is_retired:
                    issuer.retire(compromised)
                issuer.revoke(kid=compromised)

    async def check(self) -> None:
        """Compare what the verifiers say to each token, the later ones having looked at it before or not."""
        for token, _ in self.tokens[-5:]:
            for changes_state in (True, False) if self.mode == "strict" else (False,):
                answers = [await answer(verifier, token, changes_state=changes_state) for verifier in self.verifiers]
                assert answers[1:] == answers[:1] * 2, (token, answers)


async def answer(verifier: AccessTokenVerifier, token: str, *, changes_state: bool) -> AccessToken | str:
    try:
        return await verifier.verify(token, changes_state=changes_state)
    except VerificationError as refusal:
        return refusal.reason


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["follow", "strict", "plain"]), STEPS)
async def test_it_answers_as_if_it_remembered_nothing(
    mode: Literal["follow", "strict", "plain"], steps: list[Step]
) -> None:
    """Over any course of tokens, revocations, rotations, compromises, outages, clocks set wrong, and restarts: with
    what it remembers, with less room for it than there are tokens, and with nothing, a verifier gives the same claims
    or the same reason.
    """
    with tempfile.TemporaryDirectory() as directory:
        world = World(mode, Path(directory))
        for before in (Issue(SIDS[0], 300, 0), Rotate(), Issue(SIDS[1], 60, 0)):
            await world.take(before)
        await world.start()
        try:
            for step in steps:
                await world.take(step)
                await world.check()
        finally:
            await world.contexts.aclose()
