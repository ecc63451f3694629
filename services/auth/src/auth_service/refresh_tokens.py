"""Refresh tokens: opaque, each good for one successor, and a family that ends when somebody uses an older one."""

import asyncio
import hashlib
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.accounts import Account, account_of
from auth_service.database import logins, refresh_tokens
from auth_service.open_logins import end_logins, is_open
from auth_service.refresh_key import RefreshKey
from auth_service.revocations import RevocationKind, RevocationLog
from auth_service.scopes import allowed_scopes
from auth_service.token_refusals import TokenRefusal
from service_chassis.database import Database
from service_chassis.problems import Problem

_log = structlog.get_logger()

_IN_HAND = 200
"""How many times a login may be refreshed, however soon."""


class InvalidGrant(TokenRefusal):
    """Unknown, used, over, or of a login that has ended: nobody learns which. [RFC 6749 section 5.2]"""

    def __init__(self) -> None:
        super().__init__(
            "invalid_grant", "The refresh token is unknown or used up, or its login has ended. Log in again."
        )


class TooManyRefreshes(Problem):
    """A login was refreshed far more often than tokens expire. No code of OAuth says so. [RFC 6585 section 4]"""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(
            429,
            "too_many_refreshes",
            "This login was refreshed too often. Try again after the time that `Retry-After` names.",
            headers={"Retry-After": str(retry_after)},
        )


@dataclass(frozen=True)
class Refreshed:
    """What a refresh token has led to: whose login it is, what it may have, and the token to use the next time."""

    sid: str
    account: Account
    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    auth_time: int
    ends_at: float
    refresh_token: str


class RefreshTokens:
    """The families in the database, one for each login.

    Seconds: a login that is not refreshed for `idle_life` is over; `grace` is how long a used token's parent still
    leads to it; `every`, how often a login's token may become another one, but for 200 times that it has in hand: each
    time leaves a row, and those stay as long as the login could. `clock`: seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        log: RevocationLog,
        key: RefreshKey,
        *,
        idle_life: float,
        grace: float,
        every: float = 10.0,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._log = log
        self._key = key
        self._idle_life = idle_life
        self._grace = grace
        self._every = every
        self._clock = clock
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def first(self, connection: AsyncConnection, sid: str) -> str:
        """Begin the family of a login, in the transaction in which that one begins."""
        token = secrets.token_urlsafe(32)
        await connection.execute(insert(refresh_tokens).values(hash=hash_of(token), sid=sid))
        return token

    async def use(self, token: str, *, scopes: Sequence[str] | None = None) -> Refreshed:
        """Return the token's successor.

        Raises InvalidGrant, StorageUnavailable; InvalidScope and TooManyRefreshes, and then nothing is used.

        1. The login has to be open. It is held while a token is used: whoever ends it comes before that or after it.
        2. An unused token is used, by one statement: of any number of uses at once one is the first.
        3. A used one leads to the same successor as long as that is unused, because the answer may have been lost, and
           for the grace after that, because of other tabs.
        4. Anything older has been copied: its login ends, for whoever has it.
        """
        now = self._clock()
        used, successor = hash_of(token), self._key.successor(token)
        # Of many at once in this process one writes, and the others read what came of it.
        async with self._turns.setdefault(used, asyncio.Lock()):
            async with self._database.reading() as connection:
                login, account = await self._login_of(connection, used, now)
                again = await self._leads_to(connection, used, hash_of(successor), now)
                # What a token may have is nobody's business that leads nowhere any more: it ends its login.
                counts = again or await _is_unused(connection, used)
                granted = _narrowed(login.scope.split(" "), account, scopes) if counts else ()
            if not again or now - login.last_used_at > self._grace:
                await self._write(used, hash_of(successor), now)
        return Refreshed(
            sid=login.sid,
            account=account,
            audience=tuple(login.audience.split(" ")),
            scopes=granted,
            auth_time=login.created_at,
            ends_at=login.ends_at,
            refresh_token=successor,
        )

    async def _write(self, used: bytes, successor: bytes, now: float) -> None:
        """Use a token, or end its login. Raises InvalidGrant in the latter case."""
        async with self._database.writing() as connection:
            login, _ = await self._login_of(connection, used, now, hold=True)
            of_login = logins.c.sid == login.sid
            is_first = await _use_first(connection, used, successor, now)
            if is_first:
                await self._refuse_haste(connection, login, now)
            leads_on = is_first or await self._leads_to(connection, used, successor, now)
            if leads_on:
                await connection.execute(update(logins).where(of_login).values(last_used_at=now))
        if not leads_on:
            async with self._log.writing() as connection:
                ended = await end_logins(connection, of_login, now=now)
                await self._log.append(connection, RevocationKind.LOGIN, ended)
            _log.warning("refresh_token_reused", sub=login.sub, sid=login.sid)
            raise InvalidGrant

    async def _refuse_haste(self, connection: AsyncConnection, login: Row[Any], now: float) -> None:
        """Take back what was just done, by an exception, if the login has had too many tokens for its age."""
        of_login = select(func.count()).select_from(refresh_tokens).where(refresh_tokens.c.sid == login.sid)
        beyond = (await connection.execute(of_login)).scalar_one() - 1 - _IN_HAND
        too_early = login.created_at + beyond * self._every - now
        if beyond > 0 and too_early > 0:
            _log.warning("refreshed_too_often", sub=login.sub, sid=login.sid)
            raise TooManyRefreshes(retry_after=math.ceil(too_early))

    async def _login_of(
        self, connection: AsyncConnection, used: bytes, now: float, *, hold: bool = False
    ) -> tuple[Row[Any], Account]:
        """Return a token's open login and its account; held, nobody else ends it before this transaction is over."""
        of_token = select(refresh_tokens.c.sid).where(refresh_tokens.c.hash == used).scalar_subquery()
        asked = select(logins).where(logins.c.sid == of_token, is_open(now, idle_life=self._idle_life))
        login = (await connection.execute(asked.with_for_update() if hold else asked)).first()
        account = await account_of(connection, login.sub) if login else None
        if login is None or account is None or account.disabled:
            raise InvalidGrant
        return login, account

    async def _leads_to(self, connection: AsyncConnection, used: bytes, successor: bytes, now: float) -> bool:
        """Tell whether a token was used and still leads to its successor. Raises InvalidGrant if that is lost."""
        parent = refresh_tokens.alias("parent")
        follows = refresh_tokens.c.hash == parent.c.successor
        of_parent = select(refresh_tokens.c.hash, refresh_tokens.c.used_at).where(follows, parent.c.hash == used)
        found = (await connection.execute(of_parent)).first()
        if found is None or (found.used_at is not None and now - found.used_at > self._grace):
            return False
        if found.hash != successor:
            # The key is another one than at the first use. That is nobody's theft: the login lives on.
            _log.warning("refresh_key_has_changed")
            raise InvalidGrant
        return True


def _narrowed(granted: Sequence[str], account: Account, asked: Sequence[str] | None) -> tuple[str, ...]:
    """Return what was granted at the login, as far as the account still may have it and it is asked for."""
    possible = [scope for scope in granted if scope in allowed_scopes(administrator=account.administrator)]
    wanted = possible if asked is None else asked
    if not wanted or not set(wanted) <= set(possible):
        raise TokenRefusal("invalid_scope", "A scope asked for was not granted at the login.")  # RFC 6749, section 6
    return tuple(scope for scope in possible if scope in wanted)


async def _is_unused(connection: AsyncConnection, used: bytes) -> bool:
    unused = select(refresh_tokens.c.sid).where(refresh_tokens.c.hash == used, refresh_tokens.c.used_at.is_(None))
    return (await connection.execute(unused)).first() is not None


async def _use_first(connection: AsyncConnection, used: bytes, successor: bytes, now: float) -> bool:
    """Use a token, and make its successor; False if it has been used before."""
    swap = (
        update(refresh_tokens)
        .where(refresh_tokens.c.hash == used, refresh_tokens.c.used_at.is_(None))
        .values(used_at=now, successor=successor)
        .returning(refresh_tokens.c.sid)
    )
    sid = (await connection.execute(swap)).scalar()
    if sid is None:
        return False
    await connection.execute(insert(refresh_tokens).values(hash=successor, sid=sid))
    return True


def hash_of(token: str) -> bytes:
    """Return what the database knows of a refresh token."""
    # A token is 256 random bits: there is nothing to guess, so nothing slower is needed.
    return hashlib.sha256(token.encode()).digest()
