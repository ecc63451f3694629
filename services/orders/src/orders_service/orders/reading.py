"""Reading orders: each subject sees its own, and no other."""

from sqlalchemy import select

from orders_service import database as tables
from orders_service.orders.order import Order, Page
from orders_service.orders.rows import may_be_an_id, own, with_id, with_items
from service_chassis.database import Database


class UnknownCursor(Exception):  # noqa: N818 -- what was found, not a fault of this program
    """A cursor that this subject was never given."""


class Orders:
    """The orders in a database. Every method raises StorageUnavailable when that cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, subject: str, *, limit: int, cursor: str | None) -> Page:
        """Return at most `limit` of a subject's orders, newest first: those placed before the one that `cursor` names.

        An order that arrives meanwhile shifts nothing: it belongs before the first page. Raises UnknownCursor.
        """
        columns = tables.orders.c
        query = select(tables.orders).where(own(subject)).order_by(columns.seq.desc()).limit(limit + 1)
        if cursor is not None and not may_be_an_id(cursor):
            raise UnknownCursor
        async with self._database.reading() as connection:
            if cursor is not None:
                last_seen = await connection.execute(select(columns.seq).where(with_id(cursor), own(subject)))
                if (seq := last_seen.scalar_one_or_none()) is None:
                    raise UnknownCursor
                query = query.where(columns.seq < seq)
            rows = (await connection.execute(query)).mappings().all()
            orders = await with_items(connection, rows[:limit])
        return Page(orders=orders, next_cursor=orders[-1].id if len(rows) > limit else None)

    async def find(self, subject: str, order_id: str) -> Order | None:
        """Return one order of a subject; None when there is none such, or it is another's."""
        if not may_be_an_id(order_id):
            return None
        async with self._database.reading() as connection:
            found = await connection.execute(select(tables.orders).where(with_id(order_id), own(subject)))
            orders = await with_items(connection, found.mappings().all())
        return orders[0] if orders else None
