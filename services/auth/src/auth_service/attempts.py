"""How often somebody has tried: counters in the database, so that replicas share them and a restart forgets nothing."""

import hashlib
import math
from collections.abc import Callable

import structlog
from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.database import attempts
from service_chassis.database import Database
from service_chassis.problems import Problem

_log = structlog.get_logger()


class TooManyAttempts(Problem):
    """An account or an address has used up its attempts; `retry_after` is in seconds."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(
            429,
            "too_many_attempts",
            "Too many attempts. Try again after the time that `Retry-After` names.",
            headers={"Retry-After": str(retry_after)},
        )


class Attempts:
    """Counts attempts per e-mail, whether or not it has an account, and per client address, within a window.

    The window is in seconds and begins with the first attempt counted in it.
    """

    def __init__(
        self, database: Database, *, per_account: int, per_address: int, window: int, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._per_account = per_account
        self._per_address = per_address
        self._window = window
        self._clock = clock

    async def count(self, *, email: str, address: str) -> None:
        """Count one attempt, before it is known how it ends. Raises TooManyAttempts once a limit is passed."""
        now = int(self._clock())
        # One after the other: two that meet at the end of a window would each wait for a row that the other holds.
        async with self._database.writing(exclusive="attempts") as connection:
            await connection.execute(delete(attempts).where(attempts.c.since <= now - self._window))
            wait = await self._raise(connection, _counted("address", address), self._per_address, now)
            # An address that has used up its attempts must not go on using up those of other people's accounts.
            if wait is None:
                wait = await self._raise(connection, _counted("account", email), self._per_account, now)
        if wait is not None:
            _log.info("too_many_attempts", account=email_pseudonym(email))
            raise TooManyAttempts(retry_after=wait)

    async def _raise(self, connection: AsyncConnection, counted: bytes, limit: int, now: int) -> int | None:
        result = await connection.execute(_RAISE, {"counted": counted, "now": now})
        number, since = result.one()
        return None if number <= limit else max(1, min(self._window, math.ceil(since + self._window - now)))


async def forgive(connection: AsyncConnection, email: str) -> None:
    """Forget an e-mail's attempts, within the transaction in which one succeeds. Those of the address stay counted."""
    await connection.execute(delete(attempts).where(attempts.c.counted == _counted("account", email)))


# One statement, so that no two attempts can both be the last allowed one.
_RAISE = text(
    "INSERT INTO attempts (counted, number, since) VALUES (:counted, 1, :now)"
    " ON CONFLICT (counted) DO UPDATE SET number = attempts.number + 1"
    " RETURNING number, since"
)


def email_pseudonym(email: str) -> str:
    """Return what logs call an e-mail: the same for the same one, and not readable."""
    return _counted("account", email).hex()[:16]


def _counted(kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{kind} {value}".encode()).digest()
