"""The log of revocations: what counts no more, in the order in which it was committed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.database import revocation_head, revocations
from auth_service.pruning import AT_ONCE, pruning
from service_chassis.database import Changes, Database

LONGEST_PAGE = 10_000
"""Rows that are read at a time."""

_CHANNEL = "revocations"


class RevocationKind(StrEnum):
    """What is revoked: a login, one token, or a signing key. Each has the name of what names it in a token."""

    LOGIN = "sid"
    TOKEN = "jti"  # noqa: S105 -- the name of a claim
    KEY = "kid"


@dataclass(frozen=True)
class RevocationPage:
    """What the log says after a seq, as far as it was read in one go.

    `rows` are kind, id and until, in the order of their seqs: until is in seconds since the epoch, None for keys.
    `seq` is as far as they reach, and whether there is more behind it `more` says.
    """

    seq: int
    more: bool
    rows: list[tuple[str, str, int | None]]


class RevocationLog:
    """An append-only log in the database.

    In seconds: `remember_for`, until what was revoked could no longer be accepted anyway; `keep_for`, how much longer
    it is kept; `clock` since the epoch. `grown` is set whenever this process may have appended something.
    """

    def __init__(
        self, database: Database, *, remember_for: float, keep_for: float = 60.0, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._remember_for = remember_for
        self._keep_for = keep_for
        self._clock = clock
        self.grown = asyncio.Event()

    @contextlib.asynccontextmanager
    async def writing(self, exclusive: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Give a connection as `Database.writing` does; once it is committed, whoever waits for the log is woken."""
        try:
            async with self._database.writing(exclusive) as connection:
                yield connection
        finally:
            self.grown.set()  # also after a fault: nobody may know whether that was committed

    async def append(self, connection: AsyncConnection, kind: RevocationKind, ids: Sequence[str]) -> int:
        """Append ids, at the end of a transaction begun by `writing`, and return the log's seq.

        From here to the commit nobody else appends, so seq follows the order of commits: whoever has read up to one
        has missed nothing below it. It also follows the clock, so a database put back from a copy repeats none.
        """
        if not ids:
            # Read, and not held: whoever has nothing to say must not stand in the way of those who have.
            return int((await connection.execute(_HEAD)).scalar_one())
        now = self._clock()
        until = None if kind is RevocationKind.KEY else int(now + self._remember_for) + 1
        last: int = (await connection.execute(_ADVANCE, {"number": len(ids), "now": int(now * 1_000_000)})).scalar_one()
        rows = [
            {"seq": seq, "kind": kind, "id": each, "until": until}
            for seq, each in enumerate(ids, start=last - len(ids) + 1)
        ]
        await connection.execute(insert(revocations), rows)
        await self._database.announce(connection, _CHANNEL)
        return last

    async def head(self) -> int:
        """Return the seq that the log has reached."""
        async with self._database.reading() as connection:
            return int((await connection.execute(_HEAD)).scalar_one())

    async def read(self, after: int) -> RevocationPage:
        """Read what was appended after a seq, at most LONGEST_PAGE rows of it, as it stands at one moment."""
        async with self._database.reading() as connection:
            found = list(await connection.execute(_AFTER, {"after": after, "limit": LONGEST_PAGE + 1}))
            head = int((await connection.execute(_HEAD)).scalar_one())
        more = len(found) > LONGEST_PAGE
        seq = found[LONGEST_PAGE - 1].seq if more else head
        return RevocationPage(seq, more, [(kind, name, until) for _, kind, name, until in found[:LONGEST_PAGE]])

    def watching(self) -> contextlib.AbstractAsyncContextManager[Changes]:
        """Get to know what other processes append."""
        return self._database.watching(_CHANNEL)

    def pruning(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Remove what nobody needs any more, in the background, for the length of a block."""
        return pruning(self.prune, every=self._keep_for / 2)

    async def prune(self) -> int:
        """Remove rows that nobody needs any more, a thousand at most, and return how many those were."""
        async with self._database.writing(exclusive="revocations_pruned") as connection:
            values = {"before": int(self._clock() - self._keep_for), "limit": AT_ONCE}
            return (await connection.execute(_PRUNE, values)).rowcount


# seq is the greater of last + 1 and now, in microseconds. One statement, which holds the row until the commit.
_ADVANCE = text(
    "UPDATE revocation_head SET seq = CASE WHEN seq < :now THEN :now + :number - 1 ELSE seq + :number END RETURNING seq"
)
_HEAD = select(revocation_head.c.seq)
_AFTER = text("SELECT seq, kind, id, until FROM revocations WHERE seq > :after ORDER BY seq LIMIT :limit")
# By a thousand at a time, so that whoever ends a login meanwhile waits for little.
_PRUNE = text(
    "DELETE FROM revocations WHERE seq IN"
    " (SELECT seq FROM revocations WHERE until < :before ORDER BY until LIMIT :limit)"
)
