"""How an order lies in the tables."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orders_service import database as tables
from orders_service.catalogue import Money
from orders_service.orders.order import Delivery, Order, OrderItem

_ORDER_ID = re.compile(r"ord_[A-Za-z0-9_-]{22}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(since_epoch: int) -> datetime:
    """Return the time that so many microseconds after the epoch is: the tables hold these."""
    return _EPOCH + timedelta(microseconds=since_epoch)


def may_be_an_id(text: str) -> bool:
    """Tell whether any order could have this id; what could not is never handed to the database."""
    return _ORDER_ID.fullmatch(text) is not None


def with_id(order_id: str) -> ColumnElement[bool]:
    """Return the condition that a row is this order's."""
    return tables.orders.c.id == order_id


def own(subject: str) -> ColumnElement[bool]:
    """Return the condition that a row is this subject's."""
    return tables.orders.c.sub == subject


async def insert_order(connection: AsyncConnection, subject: str, order: Order) -> None:
    """Store a new order with its items."""
    placed = await connection.execute(
        insert(tables.orders)
        .returning(tables.orders.c.seq)
        .values(
            id=order.id,
            sub=subject,
            placed_at=(order.placed_at - _EPOCH) // timedelta(microseconds=1),
            amount=order.total.amount,
            currency=order.total.currency,
            status=order.status,
            **delivery_columns(order.delivery),
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


def delivery_columns(delivery: Delivery) -> Mapping[str, Any]:
    """Return what the columns of a row say about its delivery."""
    return {
        "delivery_status": delivery.status,
        "delivery_reason": delivery.reason,
        "delivery_address": delivery.address and delivery.address.model_dump(),
    }


async def with_items(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Order]:
    """Return the orders of these rows, in the same order."""
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
        status=row["status"],
        placed_at=moment(row["placed_at"]),
        cancelled_at=_moment_or_none(row["cancelled_at"]),
        shipped_at=_moment_or_none(row["shipped_at"]),
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
        delivery=Delivery(
            status=row["delivery_status"], address=row["delivery_address"], reason=row["delivery_reason"]
        ),
    )


def _moment_or_none(since_epoch: int | None) -> datetime | None:
    return None if since_epoch is None else moment(since_epoch)
