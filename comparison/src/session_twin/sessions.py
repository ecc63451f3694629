"""Sessions: how one begins, when it is over, and how its owner ends it."""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import replace

from service_chassis.problems import Problem
from session_twin.stores import Session, SessionStore

_ID = re.compile(r"[A-Za-z0-9_-]{22}")

RENEWALS = 30
"""A session in use is written once in so many parts of its idle life, not at every request."""


class UnknownSession(Problem):
    """The caller has no such session."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "You have no such session.")


class Sessions:
    """The sessions in a store. An id is 128 random bits, which the client alone has: the store knows its hash.

    Every method raises StorageUnavailable when the store cannot be used. `now` gives seconds since the epoch; lives
    are in seconds.
    """

    def __init__(
        self, store: SessionStore, *, idle_life: float, absolute_life: float, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._idle_life = idle_life
        self._absolute_life = absolute_life
        self._now = now

    async def begin(self, *, subject: str, name: str, device: str) -> str:
        """Begin a session and return its id, which nobody has seen before: no client can choose one. [CWE-384]"""
        id_ = secrets.token_urlsafe(16)
        now = self._now()
        ends = now + min(self._idle_life, self._absolute_life)
        await self._store.add(key_of(id_), Session(subject, name, device, began=now, used=now, ends=ends))
        return id_

    async def find(self, id_: str) -> tuple[str, Session] | None:
        """Return the key and the session of an id, or None when there is none or it is over. It counts as a use."""
        if _ID.fullmatch(id_) is None:
            return None
        key, now = key_of(id_), self._now()
        session = await self._store.find(key)
        if session is None or session.ends <= now:
            return None
        if now - session.used >= self._idle_life / RENEWALS:
            ends = min(now + self._idle_life, session.began + self._absolute_life)
            session = replace(session, used=now, ends=ends)
            await self._store.renew(key, session)
        return key, session

    async def end(self, key: str) -> None:
        """End a session, if it is there."""
        await self._store.remove(key)

    async def of(self, subject: str) -> dict[str, Session]:
        """Return a subject's sessions that go on, by their keys, newest first."""
        now = self._now()
        going = {key: each for key, each in (await self._store.of(subject)).items() if each.ends > now}
        return dict(sorted(going.items(), key=lambda entry: entry[1].began, reverse=True))

    async def end_one_of(self, subject: str, key: str) -> None:
        """End one of a subject's sessions. Raises UnknownSession when it is another's, or there is none."""
        if key not in await self.of(subject):
            raise UnknownSession
        await self._store.remove(key)


def key_of(id_: str) -> str:
    """Return what a session is kept under: whoever reads the store learns no id. It may be shown to its owner."""
    return hashlib.sha256(id_.encode()).hexdigest()
