"""Sessions in a server that speaks the Redis protocol: one store for any number of servers, asked over the network."""

import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service_chassis.database import StorageUnavailable
from session_twin.stores import Session

_Answer = TypeVar("_Answer")

DEADLINE = 1.0
"""Seconds after which a store that does not answer counts as away."""


class ValkeyStore:
    """A key for each session, which the server forgets by itself, and a set for each subject. Redis 7.0 or newer.

    Every method raises StorageUnavailable when the server is away. `now` gives seconds since the epoch.
    """

    def __init__(self, url: str, *, now: Callable[[], float]) -> None:
        self._now = now
        self._server = Redis.from_url(
            url, decode_responses=True, socket_timeout=DEADLINE, socket_connect_timeout=DEADLINE
        )

    async def open(self) -> None:
        """Do nothing: the first question connects."""

    async def add(self, key: str, session: Session) -> None:
        """Keep a new session, and what its subject's sessions are, as long as the longest-lived of them."""
        life = self._life(session)
        transaction = self._server.pipeline(transaction=True)
        transaction.set(_record(key), json.dumps(asdict(session)), ex=life)
        transaction.sadd(_keys_of(session.subject), key)
        transaction.expire(_keys_of(session.subject), life, gt=True)
        transaction.expire(_keys_of(session.subject), life, nx=True)
        await _answer(transaction.execute())

    async def find(self, key: str) -> Session | None:
        """Return a session or None: one look-up over the network."""
        return _session(await _answer(cast("Awaitable[Any]", self._server.get(_record(key)))))

    async def renew(self, key: str, session: Session) -> None:
        """Replace a session that is there."""
        life = self._life(session)
        transaction = self._server.pipeline(transaction=True)
        transaction.set(_record(key), json.dumps(asdict(session)), ex=life, xx=True)
        transaction.expire(_keys_of(session.subject), life, gt=True)
        await _answer(transaction.execute())

    async def remove(self, key: str) -> None:
        """Forget a session."""
        said = await _answer(cast("Awaitable[Any]", self._server.getdel(_record(key))))
        if (session := _session(said)) is not None:
            await _answer(cast("Awaitable[Any]", self._server.srem(_keys_of(session.subject), key)))

    async def of(self, subject: str) -> dict[str, Session]:
        """Return all sessions of a subject, and forget the keys of those that the server has forgotten."""
        keys = sorted(await _answer(cast("Awaitable[Any]", self._server.smembers(_keys_of(subject)))))
        if not keys:
            return {}
        said = await _answer(cast("Awaitable[Any]", self._server.mget([_record(key) for key in keys])))
        found = {key: _session(record) for key, record in zip(keys, said, strict=True)}
        if gone := [key for key, session in found.items() if session is None]:
            await _answer(cast("Awaitable[Any]", self._server.srem(_keys_of(subject), *gone)))
        return {key: session for key, session in found.items() if session is not None}

    async def ready(self) -> str | None:
        """Answer None when the server answers, or a sentence."""
        try:
            await _answer(cast("Awaitable[Any]", self._server.ping()))
        except StorageUnavailable:
            return "The session store does not answer."
        return None

    async def close(self) -> None:
        """Close all connections."""
        await self._server.aclose()

    def _life(self, session: Session) -> int:
        return max(1, math.ceil(session.ends - self._now()))


def _record(key: str) -> str:
    return f"session:{key}"


def _keys_of(subject: str) -> str:
    return f"sessions-of:{subject}"


def _session(said: str | None) -> Session | None:
    return None if said is None else Session(**json.loads(said))


async def _answer(answer: Awaitable[_Answer]) -> _Answer:
    try:
        return await answer
    except (RedisError, OSError) as error:
        raise StorageUnavailable("The session store cannot be used just now.") from error
