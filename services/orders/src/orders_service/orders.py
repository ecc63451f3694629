"""Orders: placed at the catalogue's prices, and shown to nobody but the subject that placed them."""

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy import RowMapping, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orders_service import database as tables
from orders_service.catalogue import Money, items_named
from service_chassis.database import Database

_ORDER_ID = re.compile(r"ord_[A-Za-z0-9_-]{22}")


class OrderLine(BaseModel):
    """How many of what. The price is not the client's to say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: Annotated[str, Field(pattern=r"^[A-Z0-9-]{1,40}$", examples=["LAMP-DESK"])]
    quantity: Annotated[StrictInt, Field(ge=1, le=99, description="1.0 and true are none.", examples=[2])]


class OrderItem(BaseModel):
    """One line of an order, with the name and the price of the moment it was placed."""

    sku: str
    name: str
    quantity: int
    unit_price: Money


class Order(BaseModel):
    """An order as it was placed. `placed_at` is in UTC. [RFC 3339]"""

    id: str
    placed_at: datetime
    items: list[OrderItem]
    total: Money


class Page(BaseModel):
    """Some orders, newest first. `next_cursor` asks for those after them; null when there are none."""

    orders: list[Order]
    next_cursor: str | None


class UnfitLines(Exception):  # noqa: N818 -- what was found, not a fault of this program
    """An order cannot be made of these lines; `faults` has a sentence for each line in question, counted from 0."""

    def __init__(self, faults: Mapping[int, str]) -> None:
        super().__init__(f"unfit lines: {list(faults)}")
        self.faults = faults


class UnknownCursor(Exception):  # noqa: N818 -- same reason
    """A cursor that this subject was never given."""


class Orders:
    """The orders in a database. Every method raises StorageUnavailable when that cannot be used.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def place(self, subject: str, lines: Sequence[OrderLine]) -> Order:
        """Place an order for a subject; it is durable when this returns. Raises UnfitLines."""
        async with self._database.writing(exclusive=f"orders of {subject}") as connection:
            offered = await items_named(connection, {line.sku for line in lines})
            if faults := _faults(lines, offered):
                raise UnfitLines(faults)
            items = [
                OrderItem(
                    sku=line.sku,
                    name=offered[line.sku].name,
                    quantity=line.quantity,
                    unit_price=offered[line.sku].price,
                )
                for line in lines
            ]
            order = Order(
                # 128 random bits: knowing one's own id says nothing about anyone else's. [OWASP ASVS 5.0 section 8.2]
                id=f"ord_{secrets.token_urlsafe(16)}",
                # Read while the subject can place no other order, so that the newest has the latest time.
                placed_at=datetime.fromtimestamp(self._clock(), UTC),
                items=items,
                total=_total(items),
            )
            await _insert(connection, subject, order)
        return order

    async def page(self, subject: str, *, limit: int, cursor: str | None) -> Page:
        """Return at most `limit` of a subject's orders, newest first: those placed before the one that `cursor` names.

        An order that arrives meanwhile shifts nothing: it belongs before the first page. Raises UnknownCursor.
        """
        columns = tables.orders.c
        query = select(tables.orders).where(columns.sub == subject).order_by(columns.seq.desc()).limit(limit + 1)
        if cursor is not None and _ORDER_ID.fullmatch(cursor) is None:
            raise UnknownCursor
        async with self._database.reading() as connection:
            if cursor is not None:
                last_seen = (await connection.execute(_own(subject, cursor))).mappings().one_or_none()
                if last_seen is None:
                    raise UnknownCursor
                query = query.where(columns.seq < last_seen["seq"])
            rows = (await connection.execute(query)).mappings().all()
            orders = await _with_items(connection, rows[:limit])
        return Page(orders=orders, next_cursor=orders[-1].id if len(rows) > limit else None)

    async def find(self, subject: str, order_id: str) -> Order | None:
        """Return one order of a subject; None when there is none such, or it is another's."""
        if _ORDER_ID.fullmatch(order_id) is None:
            return None
        async with self._database.reading() as connection:
            rows = (await connection.execute(_own(subject, order_id))).mappings().all()
            orders = await _with_items(connection, rows)
        return orders[0] if orders else None


def _faults(lines: Sequence[OrderLine], offered: Collection[str]) -> dict[int, str]:
    faults = {}
    seen: set[str] = set()
    for place, line in enumerate(lines):
        if line.sku in seen:
            faults[place] = "This SKU stands in an earlier line already."
        elif line.sku not in offered:
            faults[place] = "There is no such SKU in the catalogue."
        seen.add(line.sku)
    return faults


def _total(items: Iterable[OrderItem]) -> Money:
    prices = [(item.unit_price, item.quantity) for item in items]
    (currency,) = {price.currency for price, _ in prices}
    return Money(amount=sum(price.amount * quantity for price, quantity in prices), currency=currency)


def _own(subject: str, order_id: str) -> Select[*tuple[object, ...]]:
    return select(tables.orders).where(tables.orders.c.id == order_id, tables.orders.c.sub == subject)


async def _insert(connection: AsyncConnection, subject: str, order: Order) -> None:
    placed = await connection.execute(
        insert(tables.orders)
        .returning(tables.orders.c.seq)
        .values(
            id=order.id,
            sub=subject,
            placed_at=_microseconds(order.placed_at),
            amount=order.total.amount,
            currency=order.total.currency,
        )
    )
    seq = placed.scalar_one()
    await connection.execute(
        insert(tables.order_items),
        [
            {
                "order_seq": seq,
                "line": line,
                "sku": item.sku,
                "name": item.name,
                "quantity": item.quantity,
                "unit_amount": item.unit_price.amount,
            }
            for line, item in enumerate(order.items)
        ],
    )


async def _with_items(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Order]:
    columns = tables.order_items.c
    found = await connection.execute(
        select(tables.order_items)
        .where(columns.order_seq.in_([row["seq"] for row in rows]))
        .order_by(columns.order_seq, columns.line)
    )
    items: dict[int, list[RowMapping]] = {row["seq"]: [] for row in rows}
    for item in found.mappings():
        items[item["order_seq"]].append(item)
    return [_order(row, items[row["seq"]]) for row in rows]


def _order(row: RowMapping, items: Iterable[RowMapping]) -> Order:
    return Order(
        id=row["id"],
        placed_at=_EPOCH + timedelta(microseconds=row["placed_at"]),
        items=[
            OrderItem(
                sku=item["sku"],
                name=item["name"],
                quantity=item["quantity"],
                unit_price=Money(amount=item["unit_amount"], currency=row["currency"]),
            )
            for item in items
        ],
        total=Money(amount=row["amount"], currency=row["currency"]),
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
