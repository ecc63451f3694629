"""The log of revocations: what counts no more, in the order in which it was committed."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.database import revocations
from service_chassis.database import Database


class RevocationKind(StrEnum):
    """What is revoked: a login, one token, or a signing key. Each has the name of what names it in a token."""

    LOGIN = "sid"
    TOKEN = "jti"  # noqa: S105 -- the name of a claim
    KEY = "kid"


class RevocationLog:
    """An append-only log in the database.

    `remember_for`: seconds until what was revoked could no longer be accepted anyway; `clock`: seconds since the epoch.
    """

    def __init__(self, database: Database, *, remember_for: float, clock: Callable[[], float]) -> None:
        self._database = database
        self._remember_for = remember_for
        self._clock = clock

    @contextlib.asynccontextmanager
    async def writing(self, exclusive: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Give a connection as `Database.writing` does; once it is committed, whoever waits for the log is woken."""
        async with self._database.writing(exclusive) as connection:
            yield connection

    async def append(self, connection: AsyncConnection, kind: RevocationKind, ids: Sequence[str]) -> int:
        """Append ids, at the end of a transaction begun by `writing`, and return the log's seq.

        From here to the commit nobody else appends, so seq follows the order of commits: whoever has read up to one
        has missed nothing below it. It also follows the clock, so a database put back from a copy repeats none.
        """
        now = self._clock()
        until = None if kind is RevocationKind.KEY else int(now + self._remember_for) + 1
        last: int = (await connection.execute(_ADVANCE, {"number": len(ids), "now": int(now * 1_000_000)})).scalar_one()
        if ids:
            rows = [
                {"seq": seq, "kind": kind, "id": each, "until": until}
                for seq, each in enumerate(ids, start=last - len(ids) + 1)
            ]
            await connection.execute(insert(revocations), rows)
        return last


# seq is the greater of last + 1 and now, in microseconds. One statement, which holds the row until the commit.
_ADVANCE = text(
    "UPDATE revocation_head SET seq = CASE WHEN :number = 0 THEN seq WHEN seq < :now THEN :now + :number - 1"
    " ELSE seq + :number END RETURNING seq"
)
