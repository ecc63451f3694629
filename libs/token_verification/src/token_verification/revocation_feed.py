"""Follows an issuer's feed of revocations, so that every worker knows by itself what counts no more."""

import asyncio
import functools
import itertools
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self

import httpx

from token_verification.compact_jws import CompactJws
from token_verification.errors import RevocationsUnavailable, shown
from token_verification.key_set import VerificationKey
from token_verification.revocation_answer import (
    Answer,
    LogPutBackError,
    Revocation,
    UnusableAnswerError,
    read,
    take_apart,
)
from token_verification.revocation_journal import Position, RevocationJournal
from token_verification.revocation_question import ask
from token_verification.revocation_set import RevocationSet

_log = logging.getLogger("token_verification")

Mode = Literal["follow", "strict"]
WAIT: Final[Mapping[Mode, int]] = {"follow": 20, "strict": 1}
"""Seconds that a question may wait for its answer, by default."""

_LONG: Final = 64 * 1024
"""Bytes of an answer from which on it is read in a thread: ten thousand rows would hold the event loop up."""

_AT_ONCE: Final = 5_000
"""Rows taken in before others get their turn."""

_SWEEP_EVERY: Final = 60.0
"""Seconds from one look through all for what is over to the next, at least."""

_STEPS: Final = 20
"""Of such a look, after one answer."""

_FETCHES: Final = 3
"""For keys that are not known, within one cooldown: keys may be compromised one after the other."""


class RefreshableKeySet(Protocol):
    """Where a feed gets its issuer's keys: a RemoteKeySet, entered before the feed is."""

    def known(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is at hand, else None."""

    async def refresh(self, key_id: str) -> VerificationKey | None:
        """Return a key that was not at hand, asking for it whatever was asked for before; None if there is none."""


class RevocationFeed:
    """What an issuer has revoked, followed by long polling; an async context manager, and a verifier's `revocations`.

    What it has learnt only grows by an answer, and is forgotten when its time is over: no answer, and no replay of one,
    takes anything back. On disk lies what was learnt, so that a process that starts again knows what it knew.
    """

    def __init__(
        self,
        url: str,
        *,
        issuer: str,
        key_set: RefreshableKeySet,
        http: httpx.AsyncClient,
        journal: Path | None = None,
        mode: Mode = "follow",
        wait: int | None = None,
        patience: float = 3.0,
        retry_first: float = 0.1,
        retry_last: float = 5.0,
        cooldown: float = 10.0,
        leeway: float = 5.0,
        max_age_for_changes: float = 3.0,
        max_age: float = 30.0,
        byte_cap: int = 2 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Say where the feed is, and how long anything may take. Nothing is asked before the context is entered.

        `issuer`, `key_set`: whose answers are believed, and by which keys. `http`: its owner closes it. `journal`: the
        directory for what was learnt, shared by all workers of a service; None keeps it in memory alone.

        `mode`: to `follow`, a service serves as soon as the feed was read to its end once, or that lies on disk, and
        goes on when the feed is lost: it then is like one that verifies tokens alone. A `strict` one asks all the time,
        and does without its knowledge no longer than `max_age_for_changes` for requests that may change something, and
        `max_age` for any.

        In seconds: `wait`, how long the issuer may leave a question unanswered while there is nothing to tell (20, or 1
        if strict); `patience`, how much longer until it is given up, and how long a connection may take to be made;
        `retry_first`, doubling up to `retry_last`, pauses after failures, of which each is cut short by up to a half;
        `cooldown`, in which answers under keys that are not known cause three fetches, and no more; `leeway`, between
        the clocks of the issuer and this process.

        `clock` measures ages in this process, `wall_clock` (seconds since the epoch) what answers and rows say, and
        `sleep` waits; tests pass their own.
        """
        self.mode = mode
        self._url = url
        self._issuer = issuer
        self._key_set = key_set
        self._http = http
        self._journal = None if journal is None else RevocationJournal(journal, issuer=issuer)
        self._wait = WAIT[mode] if wait is None else wait
        self._patience = patience
        self._retry_first = retry_first
        self._retry_last = retry_last
        self._cooldown = cooldown
        self._leeway = leeway
        self._max_age_for_changes = max_age_for_changes
        self._max_age = max_age
        self._byte_cap = byte_cap
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep

        self._known = RevocationSet()
        self._position = Position()
        self._after = 0
        self._young_at: float | None = None
        self._fetched_at: deque[float] = deque(maxlen=_FETCHES)
        self._forget_at = 0.0
        self._forgetting: Iterator[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self.answers = 0
        """How many answers were accepted."""
        self.failures = 0
        """How many questions had no answer that was accepted."""
        self.fault: str | None = None
        """Why the last question failed, as a sentence's end; None if it did not."""
        self.journal_fault: str | None = None
        """Why the journal could not be written last, as a sentence's end; None if it could."""

    async def __aenter__(self) -> Self:
        """Read what lies on disk, and start following. Does not wait for the issuer."""
        if self._journal is not None:
            self._position = await asyncio.to_thread(self._journal.read, self._known)
            self._after = self._position.seq
            await self._record([], self._position)
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following; what is being written to disk is written to its end."""
        tasks = [task for task in (self._following, self._writing) if task is not None]
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)

    @property
    def seq(self) -> int:
        """Up to where everything is applied; 0 before the first answer of all."""
        return self._position.seq

    @property
    def complete(self) -> bool:
        """Whether the feed was read to its end once, by this process or by one whose journal it has read."""
        return self._position.complete

    @property
    def age(self) -> float | None:
        """Seconds since an answer arrived that left nothing out; None if there was none since the start."""
        return None if self._young_at is None else self._clock() - self._young_at

    @property
    def remembered(self) -> int:
        """How many revocations are remembered."""
        return len(self._known)

    async def ready(self) -> str | None:
        """Return None when it is known well enough what has been revoked, otherwise a sentence that says why not."""
        return self._why_not(changes_state=False)

    def key_is_revoked(self, key_id: str) -> bool:
        """Tell whether the issuer has revoked this key (`kid`)."""
        return key_id in self._known.keys

    def login_has_ended(self, login_id: str) -> bool:
        """Tell whether this login (`sid`) has ended."""
        return login_id in self._known.logins

    def token_is_revoked(self, token_id: str) -> bool:
        """Tell whether this one token (`jti`) has been revoked."""
        return token_id in self._known.tokens

    def ensure_known(self, *, changes_state: bool) -> None:
        """Raise RevocationsUnavailable where the mode does not allow to go by what is known."""
        if why_not := self._why_not(changes_state=changes_state):
            raise RevocationsUnavailable(why_not, retry_after=self._retry_first)

    def _why_not(self, *, changes_state: bool) -> str | None:
        if self.mode == "follow":
            if self._position.complete:
                return None
            what = "It is not known yet what has been revoked."
        else:
            allowed = self._max_age_for_changes if changes_state else self._max_age
            if (age := self.age) is not None and age <= allowed:
                return None
            of_age = "not known since the start" if age is None else f"known as of {age:.0f} s ago"
            what = f"What has been revoked is {of_age}, {allowed:g} s are allowed."
        return f"{what} The last question failed: {self.fault}." if self.fault else what

    async def _follow(self) -> None:
        failures_in_a_row = 0
        while True:
            # The first question, and the first after a failure, want to know at once how things stand.
            wait = self._wait if self.fault is None and self._young_at is not None else 0
            asked_at = self._clock()
            try:
                brought = await self._ask_once(wait)
            except Exception as fault:  # noqa: BLE001 -- whatever happens, it is told, and the following goes on
                self._failed(fault)
                pause = min(self._retry_last, self._retry_first * 2 ** min(failures_in_a_row, 30))
                failures_in_a_row += 1
            else:
                failures_in_a_row = 0
                if brought or wait == 0 or self._clock() - asked_at >= self._retry_first:
                    continue
                # Whoever says "nothing new" at once, and not after the wait, would be asked in a frenzy.
                pause = self._retry_first
            await self._sleep(pause * random.uniform(0.5, 1))  # noqa: S311 -- spreads load, keeps no secret

    def _failed(self, fault: Exception) -> None:
        self.failures += 1
        sentence = str(fault) if isinstance(fault, UnusableAnswerError) else f"it failed with {type(fault).__name__}"
        if sentence != self.fault:
            trace = None if isinstance(fault, UnusableAnswerError) else fault
            _log.warning("feed of revocations lost: %s", sentence, exc_info=trace)
        self.fault = sentence

    async def _ask_once(self, wait: int) -> bool:
        """Ask what there is, apply it, and tell whether it was anything."""
        question = ask(
            self._http,
            self._url,
            after=self._after,
            wait=wait,
            connect_within=self._patience,
            byte_cap=self._byte_cap,
        )
        body = await self._within(wait + self._patience, question)
        arrived_at = self._clock()
        jws, key_id = take_apart(body)
        key = await self._signer(key_id)
        try:
            answer = await asyncio.to_thread(self._read, jws, key) if len(body) > _LONG else self._read(jws, key)
        except LogPutBackError:
            # What is in the log now may be under any seq. To hear it all again does no harm: nothing is taken away.
            self._after = 0
            raise
        await self._apply(answer)
        if not answer.more:
            self._young_at = arrived_at
        self.answers += 1
        if self.fault is not None:
            _log.info("feed of revocations is back, at seq %d", answer.seq)
            self.fault = None
        return bool(answer.revoked)

    async def _within(self, deadline: float, question: Coroutine[None, None, bytes]) -> bytes:
        """Wait for an answer. Also where a connection died without a word, it is at most `deadline` seconds."""
        asking = asyncio.create_task(question)
        bell = asyncio.ensure_future(self._sleep(deadline))
        try:
            await asyncio.wait({asking, bell}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            raise UnusableAnswerError(f"it took longer than {deadline:g} s")
        finally:
            asking.cancel()
            bell.cancel()
            await asyncio.gather(asking, bell, return_exceptions=True)

    async def _signer(self, key_id: str) -> VerificationKey:
        """Return the key that an answer names.

        To fetch for one that is not known has a cooldown of its own: no flood of tokens under made-up key ids can delay
        an answer that says which key to trust no more. It lets three pass at once, so that of keys which are killed one
        after the other none is believed for longer. That opens no flood: requests have no part in it, and who could
        answer in the issuer's place gets three fetches where it got one.
        """
        if self.key_is_revoked(key_id):
            raise UnusableAnswerError(f"the answer is signed by a key that has been revoked, {shown(key_id)}")
        key = self._key_set.known(key_id)
        if key is None and self._may_fetch():
            self._fetched_at.append(self._clock())
            key = await self._key_set.refresh(key_id)
        if key is None:
            raise UnusableAnswerError(f"the answer is signed by a key that is not known, {shown(key_id)}")
        return key

    def _may_fetch(self) -> bool:
        return len(self._fetched_at) < _FETCHES or self._clock() - self._fetched_at[0] >= self._cooldown

    def _read(self, jws: CompactJws, key: VerificationKey) -> Answer:
        now = self._wall_clock()
        return read(jws, key, issuer=self._issuer, after=self._after, wait=self._wait, now=now, leeway=self._leeway)

    async def _apply(self, answer: Answer) -> None:
        for start in range(0, len(answer.revoked), _AT_ONCE):
            for row in answer.revoked[start : start + _AT_ONCE]:
                self._known.add(*row)
            await asyncio.sleep(0)
        position = Position(answer.seq, self._position.complete or not answer.more)
        # What the disk did not take is offered again with every answer, and then all of it.
        if position != self._position or self.journal_fault is not None:
            await self._record(answer.revoked, position)
            self._position = position
        self._after = answer.seq
        self._forget()

    def _forget(self) -> None:
        """Look through some of what is remembered for what is over.

        Only here, where an answer that has not ended shows that our clock is right: one that ran ahead, and was set
        back, would otherwise have us forget logins whose tokens are good again. And only some: the next question waits.
        """
        if self._forgetting is None and self._clock() >= self._forget_at:
            self._forgetting = self._known.forget(self._wall_clock() - self._leeway)
            self._forget_at = self._clock() + _SWEEP_EVERY
        if self._forgetting is not None and len(list(itertools.islice(self._forgetting, _STEPS))) < _STEPS:
            self._forgetting = None

    async def _record(self, rows: list[Revocation], position: Position) -> None:
        """Write to disk what was applied. What cannot be written is denied all the same, and said."""
        if self._journal is None:
            return
        write = functools.partial(self._journal.write, rows, position, known=self._known)
        self._writing = asyncio.ensure_future(asyncio.to_thread(write))
        try:
            await asyncio.shield(self._writing)
        except OSError as fault:
            self.journal_fault = fault.strerror or str(fault)
            _log.warning("journal of revocations not written: %s", self.journal_fault)
        else:
            self.journal_fault = None
