"""Logins as they stand in the database: begun, listed, and ended at once everywhere."""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.accounts import hold_account
from auth_service.database import logins, refresh_tokens
from auth_service.pruning import AT_ONCE, pruning
from auth_service.revocations import RevocationKind, RevocationLog
from service_chassis.database import Database
from service_chassis.problems import Problem

_log = structlog.get_logger()

_LONGEST_PAUSE = 60.0
_ENDED_AT_A_TIME = 1000
"""Also of one account: where there are more, as before there was a bound, the next logins end the rest."""


class NoSuchLogin(Problem):
    """The caller has no such login that is open."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "You have no open login of that id.")


@dataclass(frozen=True)
class Login:
    """A login, as its owner sees it: by `device`, what the client said it was. Times are seconds since the epoch."""

    sid: str
    device: str
    address: str
    created_at: int
    last_used_at: float


@dataclass(frozen=True)
class Ended:
    """How many logins were ended, and the revocation log's seq, from which on every follower knows it."""

    number: int
    seq: int


def is_open(now: float, *, idle_life: float) -> ColumnElement[bool]:
    """Return the condition for a login that can still be used."""
    return and_(_has_not_ended(now), logins.c.last_used_at > now - idle_life)


def _has_not_ended(now: float) -> ColumnElement[bool]:
    return and_(logins.c.ended_at.is_(None), logins.c.ends_at > now)


async def end_logins(connection: AsyncConnection, which: ColumnElement[bool], *, now: float) -> list[str]:
    """End those that have not ended, and return their ids, which go on the log in the same transaction.

    Also those that nobody has used for long: another setting could otherwise bring them back to life.
    """
    ending = update(logins).where(which, _has_not_ended(now)).values(ended_at=now).returning(logins.c.sid)
    return list((await connection.execute(ending)).scalars())


class OpenLogins:
    """Everybody's logins.

    `life`, `idle_life`: seconds from the password on, and without a refresh; `most`: how many an account has that have
    not ended, so that all of them can be ended by one short transaction.
    """

    def __init__(
        self,
        database: Database,
        log: RevocationLog,
        *,
        life: float,
        idle_life: float,
        most: int = 200,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._log = log
        self.life = life
        self._idle_life = idle_life
        self._most = most
        self._clock = clock

    def unused_life(self, ends_at: float) -> int:
        """Return how many seconds a login goes on that is used now, and not again; `ends_at` is its end in any case."""
        return math.ceil(min(self._idle_life, max(ends_at - self._clock(), 0.0)))

    def beginning(self) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """Give a connection for `begin`, in whose transaction also others write; `make_room` comes last."""
        return self._log.writing()

    async def begin(
        self,
        connection: AsyncConnection,
        *,
        sid: str,
        sub: str,
        device: str,
        address: str,
        audience: Sequence[str],
        scope: str,
        now: float,
    ) -> None:
        """Write a login down that begins `now`."""
        await connection.execute(
            insert(logins).values(
                sid=sid,
                sub=sub,
                device=device,
                address=address,
                audience=" ".join(audience),
                scope=scope,
                created_at=int(now),
                last_used_at=now,
                ends_at=now + self.life,
            )
        )

    async def make_room(self, connection: AsyncConnection, sub: str, *, beside: str, now: float) -> None:
        """End those of somebody's logins that are too many beside a new one, and that nobody has used for longest.

        The last statement of the transaction in which a login begins: the log is held from here on.
        """
        too_many = (
            select(logins.c.sid)
            .where(logins.c.sub == sub, logins.c.sid != beside, _has_not_ended(now))
            .order_by(logins.c.last_used_at.desc(), logins.c.sid)
            .offset(self._most - 1)
            .limit(_ENDED_AT_A_TIME)
        )
        sids = list((await connection.execute(too_many)).scalars())
        if sids:
            ended = await end_logins(connection, logins.c.sid.in_(sids), now=now)
            await self._log.append(connection, RevocationKind.LOGIN, ended)
            _log.info("logins_made_room", sub=sub, number=len(ended))

    async def of(self, sub: str) -> list[Login]:
        """Return somebody's open logins, the last used first."""
        now = self._clock()
        listed = (
            select(logins.c.sid, logins.c.device, logins.c.address, logins.c.created_at, logins.c.last_used_at)
            .where(logins.c.sub == sub, is_open(now, idle_life=self._idle_life))
            .order_by(logins.c.last_used_at.desc(), logins.c.sid)
            .limit(self._most)
        )
        async with self._database.reading() as connection:
            return [Login(*row) for row in await connection.execute(listed)]

    async def end(self, sub: str, sid: str) -> Ended:
        """End one of somebody's logins. Raises NoSuchLogin when they have no such one that has not ended."""
        async with self._log.writing() as connection:
            ended = await end_logins(connection, and_(logins.c.sub == sub, logins.c.sid == sid), now=self._clock())
            if not ended:
                raise NoSuchLogin
            seq = await self._log.append(connection, RevocationKind.LOGIN, ended)
        _log.info("login_ended", sub=sub, sid=sid)
        return Ended(len(ended), seq)

    async def end_all(self, sub: str) -> Ended:
        """End all logins of somebody."""
        async with self._log.writing() as connection:
            await hold_account(connection, sub)
            ended = await end_logins(connection, logins.c.sub == sub, now=self._clock())
            seq = await self._log.append(connection, RevocationKind.LOGIN, ended)
        _log.info("logins_ended", sub=sub, number=len(ended))
        return Ended(len(ended), seq)

    async def knows(self, token_hash: bytes) -> bool:
        """Tell whether a refresh token was ever given out for a login that is still remembered."""
        async with self._database.reading() as connection:
            found = await connection.execute(select(refresh_tokens.c.sid).where(refresh_tokens.c.hash == token_hash))
            return found.first() is not None

    async def end_family(self, token_hash: bytes) -> Ended:
        """End the login that a refresh token belongs to, whether it is used or not; if there is one, and it is open."""
        of_token = select(refresh_tokens.c.sid).where(refresh_tokens.c.hash == token_hash).scalar_subquery()
        async with self._database.reading() as connection:
            has_not_ended = select(logins.c.sid).where(logins.c.sid == of_token, _has_not_ended(self._clock()))
            nothing_to_end = (await connection.execute(has_not_ended)).first() is None
        if nothing_to_end:
            # Anyone may ask this, with any token: only one that there is costs a turn among those who write.
            return Ended(0, await self._log.head())
        async with self._log.writing() as connection:
            ended = await end_logins(connection, logins.c.sid == of_token, now=self._clock())
            seq = await self._log.append(connection, RevocationKind.LOGIN, ended)
        if ended:
            _log.info("login_ended", sid=ended[0])
        return Ended(len(ended), seq)

    def pruning(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Remove logins whose absolute life is over, in the background, for the length of a block."""
        return pruning(self.prune, every=min(_LONGEST_PAUSE, self.life / 2))

    async def prune(self) -> int:
        """Remove what is left of logins whose absolute life is over, at most AT_ONCE rows; return how many those were.

        First their refresh tokens: of those a login can have any number. Then logins that have none left.
        """
        is_over = logins.c.ends_at <= self._clock()
        async with self._database.writing(exclusive="logins_pruned") as connection:
            over = select(logins.c.sid).where(is_over)
            tokens = select(refresh_tokens.c.hash).where(refresh_tokens.c.sid.in_(over)).limit(AT_ONCE)
            pruned = (
                await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.hash.in_(tokens)))
            ).rowcount
            if pruned < AT_ONCE:
                has_tokens = select(refresh_tokens.c.hash).where(refresh_tokens.c.sid == logins.c.sid).exists()
                empty = select(logins.c.sid).where(is_over, ~has_tokens).limit(AT_ONCE - pruned)
                pruned += (await connection.execute(delete(logins).where(logins.c.sid.in_(empty)))).rowcount
        return pruned

    async def end_everybodys(self) -> Ended:
        """End all logins that there are, a thousand at a time; cut off in between, those before are ended."""
        number, seq = 0, 0
        while True:
            async with self._log.writing() as connection:
                now = self._clock()
                some = select(logins.c.sid).where(_has_not_ended(now)).order_by(logins.c.sid).limit(_ENDED_AT_A_TIME)
                ended = await end_logins(connection, logins.c.sid.in_(some), now=now)
                seq = await self._log.append(connection, RevocationKind.LOGIN, ended)
            if not ended:
                return Ended(number, seq)
            number += len(ended)
