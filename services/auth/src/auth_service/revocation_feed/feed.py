"""The feed of revocations: the log as signed answers, which every worker of every service follows."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import jwt
import structlog

from auth_service.revocation_feed.news import RevocationNews
from auth_service.revocations import RevocationLog
from auth_service.signing_keys import SigningKey, SigningKeys

ANSWER_TYPE: Final = "revocations+jwt"
"""The `typ` of an answer's header: it can never pass for an access token, nor one of those for an answer."""

_SHARED_FOR: Final = 1.0
"""Seconds in which all who ask the same get the same answer, and wait for it together."""

_TELL_EVERY: Final = 60.0
"""Seconds between two lines in the log about followers that are ahead of it."""

_log = structlog.get_logger()


@dataclass
class _Shared:
    begun_at: float
    answering: asyncio.Task[bytes]
    followers: int = 0

    def is_young(self, now: float) -> bool:
        # Not by whole seconds: of those who are let go together, some would have to wait for a second signature.
        return 0 <= now - self.begun_at < _SHARED_FOR


class RevocationFeed:
    """Answers what was revoked after a seq; an async context manager, for the thread that signs.

    `answer_life`: seconds that an answer is good for, besides those that it may have waited; `clock`: seconds since the
    epoch.
    """

    def __init__(
        self,
        log: RevocationLog,
        news: RevocationNews,
        signing_keys: SigningKeys,
        *,
        issuer: str,
        answer_life: int,
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._news = news
        self._signing_keys = signing_keys
        self._issuer = issuer
        self._answer_life = answer_life
        self._clock = clock
        self._signatures = 0
        self._told_at = 0.0
        self._answers: dict[tuple[int, int, int], _Shared] = {}
        self._waits: dict[tuple[int, int], _Shared] = {}
        # One of its own: whatever else is being signed or hashed, a revocation does not stand in line behind it.
        self._signer = ThreadPoolExecutor(1, thread_name_prefix="revocation-feed")

    @property
    def signatures(self) -> int:
        """How many answers were signed so far."""
        return self._signatures

    async def __aenter__(self) -> Self:
        """Do nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread."""
        self._signer.shutdown(wait=False, cancel_futures=True)

    async def answer(self, after: int, *, wait: int) -> bytes:
        """Return what was revoked after a seq, as a JWS: at once if there is something, else after `wait` seconds.

        All who ask the same within a second share one answer, one signature, and one wait: a thousand who are let go
        at the same moment ask again at the same moment. Raises StorageUnavailable, KeysUnavailable, and Unavailable
        when too many wait.
        """
        if not wait or after > self._news.head:
            await self._news.look()
        if after > self._news.head:
            self._tell_of_one_ahead(after)
        elif wait and not self._news.is_beyond(after):
            return await self._answer_together(after, wait)
        return await self._answer_now(after, wait)

    async def _answer_together(self, after: int, wait: int) -> bytes:
        with self._news.place(), self._waiting_for((after, wait)) as answering:
            return await asyncio.shield(answering)

    @contextlib.contextmanager
    def _waiting_for(self, question: tuple[int, int]) -> Iterator[asyncio.Task[bytes]]:
        """Join those who wait for the same; the last one to leave ends the wait."""
        now = self._clock()
        shared = self._waits.get(question)
        if shared is None or not shared.is_young(now):
            shared = self._waits[question] = _Shared(now, asyncio.create_task(self._answer_later(*question)))
        shared.followers += 1
        try:
            yield shared.answering
        finally:
            shared.followers -= 1
            if not shared.followers:
                shared.answering.cancel()
            if self._waits.get(question) is shared and (shared.answering.done() or not shared.followers):
                del self._waits[question]

    async def _answer_later(self, after: int, wait: int) -> bytes:
        await self._news.wait(after, wait)
        return await self._answer_now(after, wait)

    async def _answer_now(self, after: int, wait: int) -> bytes:
        now = self._clock()
        question = (after, self._news.head, wait)
        shared = self._answers.get(question)
        if shared is None or not shared.is_young(now):
            self._answers = {each: answer for each, answer in self._answers.items() if answer.is_young(now)}
            signing = asyncio.create_task(self._sign(after, wait=wait, now=int(now)))
            signing.add_done_callback(functools.partial(self._forget_failure, question))
            shared = self._answers[question] = _Shared(now, signing)
        # Whoever gives up does not take the answer away from the others.
        return await asyncio.shield(shared.answering)

    async def _sign(self, after: int, *, wait: int, now: int) -> bytes:
        page = await self._log.read(after)
        # As of now, and asked after the log was read: an answer that says a key is revoked is not signed with it.
        key = await self._signing_keys.signer(within=0)
        claims = {
            "iss": self._issuer,
            "iat": now,
            "exp": now + wait + self._answer_life,
            "after": after,
            "seq": page.seq,
            "more": page.more,
            "revoked": page.rows,
        }
        self._signatures += 1
        return await asyncio.get_running_loop().run_in_executor(self._signer, _signed, claims, key)

    def _tell_of_one_ahead(self, after: int) -> None:
        """Say that a follower knows of more than the log has: the database was put back, and its clock ran ahead then.

        It is answered at once, with how far the log has got, and asks for all of it anew.
        """
        now = self._clock()
        if now - self._told_at >= _TELL_EVERY:
            self._told_at = now
            _log.warning("revocation_follower_ahead", after=after, head=self._news.head)

    def _forget_failure(self, question: tuple[int, int, int], signing: asyncio.Task[bytes]) -> None:
        shared = self._answers.get(question)
        if (signing.cancelled() or signing.exception()) and shared is not None and shared.answering is signing:
            del self._answers[question]


def _signed(claims: Mapping[str, Any], key: SigningKey) -> bytes:
    return jwt.encode(
        dict(claims), key.private_key, algorithm="RS256", headers={"typ": ANSWER_TYPE, "kid": key.kid}
    ).encode()
