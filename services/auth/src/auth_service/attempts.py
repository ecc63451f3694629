"""How often somebody has tried: counters in the database, so that replicas share them and a restart forgets nothing."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.database import attempts
from auth_service.exhausted import Exhausted
from auth_service.lots import Lots
from service_chassis.database import Database
from service_chassis.problems import Problem

_log = structlog.get_logger()

Purpose = Literal["login", "registration"]


class TooManyAttempts(Problem):
    """An account or an address has used up its attempts; `retry_after` is in seconds."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(
            429,
            "too_many_attempts",
            "Too many attempts. Try again after the time that `Retry-After` names.",
            headers={"Retry-After": str(retry_after)},
        )


@dataclass(frozen=True)
class _Attempt:
    address: bytes
    account: bytes


@dataclass(frozen=True)
class _Refusal:
    counted: bytes
    until: int


class Attempts:
    """Counts attempts per e-mail, whether or not it has an account, and per client address, within a window.

    The window is in seconds and begins with the first attempt counted in it. Each purpose has counters of its own:
    else whoever registers with other people's e-mails would use up their logins.
    """

    def __init__(
        self,
        database: Database,
        *,
        purpose: Purpose,
        per_account: int,
        per_address: int,
        window: int,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._purpose = purpose
        self._per_account = per_account
        self._per_address = per_address
        self._window = window
        self._clock = clock
        self._exhausted = Exhausted(clock=clock)
        # One transaction for all who wait: a flood of attempts must not make a queue of commits, which others stand in.
        self._counting = Lots(self._count)

    def refuse_exhausted(self, *, email: str, address: str) -> None:
        """Raise TooManyAttempts for whoever is known to have none left, before they cost or hold anything."""
        for counted in (self._counted("address", address), self._counted("account", email)):
            if (until := self._exhausted.until(counted)) is not None:
                raise TooManyAttempts(retry_after=self._wait(until))

    async def count(self, *, email: str, address: str) -> None:
        """Count one attempt, before it is known how it ends. Raises TooManyAttempts once a limit is passed."""
        refusal = await self._counting.ask(
            _Attempt(address=self._counted("address", address), account=self._counted("account", email))
        )
        if refusal is not None:
            self._exhausted.remember(refusal.counted, until=refusal.until)
            _log.info("too_many_attempts", purpose=self._purpose, account=email_pseudonym(email))
            raise TooManyAttempts(retry_after=self._wait(refusal.until))

    async def forgive(self, connection: AsyncConnection, email: str) -> None:
        """Forget an e-mail's attempts, within the transaction in which one succeeds. Those of the address stay."""
        counted = self._counted("account", email)
        await connection.execute(delete(attempts).where(attempts.c.counted == counted))
        self._exhausted.forget(counted)

    async def _count(self, lot: Sequence[_Attempt]) -> Sequence[_Refusal | None]:
        now = int(self._clock())
        async with self._database.writing() as connection:
            refusals = await self._raise(connection, [attempt.address for attempt in lot], self._per_address, now)
            # An address that has used up its attempts must not go on using up those of other people's accounts.
            passed = [place for place, refusal in enumerate(refusals) if refusal is None]
            accounts = [lot[place].account for place in passed]
            refused = await self._raise(connection, accounts, self._per_account, now)
            for place, refusal in zip(passed, refused, strict=True):
                refusals[place] = refusal
            await connection.execute(_PRUNE, {"gone": now - self._window})
        return refusals

    async def _raise(
        self, connection: AsyncConnection, counted: Sequence[bytes], limit: int, now: int
    ) -> list[_Refusal | None]:
        """Raise one kind of counter by what a lot asks for, and tell for each attempt whether it is one too many."""
        numbers: dict[bytes, int] = {}
        until: dict[bytes, int] = {}
        more = Counter(counted)
        # In order: of two transactions of two replicas, neither then waits for a row of the other that waits for it.
        for one in sorted(more):
            values = {"counted": one, "more": more[one], "now": now, "gone": now - self._window}
            number, since = (await connection.execute(_RAISE, values)).one()
            numbers[one] = number - more[one]
            until[one] = since + self._window
        refusals: list[_Refusal | None] = []
        for one in counted:
            numbers[one] += 1
            refusals.append(None if numbers[one] <= limit else _Refusal(one, until[one]))
        return refusals

    def _wait(self, until: int) -> int:
        return max(1, min(self._window, until - int(self._clock())))

    def _counted(self, kind: Literal["address", "account"], value: str) -> bytes:
        return _digest(f"{self._purpose} {kind} {value}")


# One statement, so that no two attempts can both be the last allowed one.
_RAISE = text(
    "INSERT INTO attempts (counted, number, since) VALUES (:counted, :more, :now)"
    " ON CONFLICT (counted) DO UPDATE SET"
    " number = CASE WHEN attempts.since <= :gone THEN 0 ELSE attempts.number END + excluded.number,"
    " since = CASE WHEN attempts.since <= :gone THEN excluded.since ELSE attempts.since END"
    " RETURNING number, since"
)

# Some at a time, so that nobody waits long for it; and what somebody else is at work on is left to them.
_GONE = (
    select(attempts.c.counted)
    .where(attempts.c.since <= bindparam("gone"))
    .limit(1000)
    .with_for_update(skip_locked=True)
)
_PRUNE = delete(attempts).where(attempts.c.counted.in_(_GONE))


def email_pseudonym(email: str) -> str:
    """Return what logs call an e-mail: the same for the same one, and not readable."""
    return _digest(f"account {email}").hex()[:16]


def _digest(written: str) -> bytes:
    return hashlib.sha256(written.encode()).digest()
