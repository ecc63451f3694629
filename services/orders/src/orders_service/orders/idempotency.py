"""Idempotency keys: a client that lost an answer asks again, and gets that answer and no second order.

[draft-ietf-httpapi-idempotency-key-header-07]
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from orders_service import database as tables
from orders_service.orders.order import OrderLine

KEY_PATTERN = r'^(?:[!#-\[\]-~]{1,255}|"(?:[!#-\[\]-~]|\\["\\]){1,255}")$'
"""1 to 255 visible ASCII characters; in quotes, as a structured field's string, or without. [RFC 9651 section 3.3.3]"""

PRUNED_AT_ONCE = 100


class KeyReused(Exception):  # noqa: N818 -- what was found, not a fault of this program
    """The subject has used this key for another order."""


class Earlier(NamedTuple):
    """What was answered when the key was first used: the order's id, and the bytes of the body."""

    order_id: str
    answer: bytes


class IdempotencyKey:
    """A subject's key for placing an order of these lines, as it was `written` in the header.

    Its methods belong inside the transaction that places the order; `now` is microseconds since the epoch.
    """

    def __init__(self, subject: str, written: str, lines: Sequence[OrderLine]) -> None:
        self._subject = subject
        self._key = re.sub(r"\\(.)", r"\1", written[1:-1]) if written.startswith('"') else written
        canonical = json.dumps([line.model_dump() for line in lines], separators=(",", ":"))
        self._fingerprint = hashlib.sha256(canonical.encode()).hexdigest()

    async def recall(self, connection: AsyncConnection, *, now: int) -> Earlier | None:
        """Return what was answered to this key; None when it is new, or so old that it counts as new.

        Raises KeyReused when that was the answer to something else.
        """
        known = await connection.execute(select(_keys).where(self._this, _keys.c.expires_at > now))
        row = known.mappings().one_or_none()
        if row is None:
            return None
        if row["fingerprint"] != self._fingerprint:
            raise KeyReused
        return Earlier(row["order_id"], row["answer"].encode())

    async def remember(self, connection: AsyncConnection, earlier: Earlier, *, now: int, keep_for: float) -> None:
        """Store what is answered, for `keep_for` seconds; and forget some of what is too old, whosever it is."""
        await connection.execute(delete(_keys).where(self._this))
        await connection.execute(
            insert(_keys).values(
                sub=self._subject,
                idempotency_key=self._key,
                fingerprint=self._fingerprint,
                order_id=earlier.order_id,
                answer=earlier.answer.decode(),
                expires_at=now + round(keep_for * 1_000_000),
            )
        )
        # Whoever places an order puts one row in and takes many out, so that what is too old never piles up. What
        # another is about to forget is left to it, so that no order waits for that. (SQLite has one writer anyway.)
        primary_key = (_keys.c.sub, _keys.c.idempotency_key)
        old = (
            select(*primary_key)
            .where(_keys.c.expires_at <= now)
            .order_by(_keys.c.expires_at)
            .limit(PRUNED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await connection.execute(delete(_keys).where(tuple_(*primary_key).in_(old)))

    @property
    def _this(self) -> ColumnElement[bool]:
        return and_(_keys.c.sub == self._subject, _keys.c.idempotency_key == self._key)


_keys = tables.idempotency_keys
