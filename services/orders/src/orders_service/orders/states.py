"""What may become of a placed order: cancelled by its owner, or shipped once it is settled where to; nothing else.

Each move is one statement that finds the order in the state it may leave: of two at once, exactly one does.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update

from orders_service import database as tables
from orders_service.orders.order import Delivery, DeliveryStatus, Order, OrderStatus
from orders_service.orders.rows import delivery_columns, may_be_an_id, own, with_id, with_items
from service_chassis.database import Database

_PLACED = tables.orders.c.status == "placed"
_SETTLED = tables.orders.c.delivery_status == "settled"


class WrongState(Exception):  # noqa: N818 -- what was found, not a fault of this program
    """An order is in a state that it cannot leave so: `status` is its own, `delivery` that of its address."""

    def __init__(self, status: OrderStatus, delivery: DeliveryStatus) -> None:
        super().__init__(f"{status}, delivery {delivery}")
        self.status = status
        self.delivery = delivery


class OrderStates:
    """The moves of the orders in a database. Each returns the order as it is then, or None when there is no such order.

    Raises WrongState when it cannot be done, and StorageUnavailable. `clock` gives seconds since the epoch.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def cancel(self, subject: str, order_id: str) -> Order | None:
        """Cancel a subject's own order."""
        values = {"status": "cancelled", "cancelled_at": self._now()}
        return await self._move(order_id, own(subject), allowed=_PLACED, values=values)

    async def ship(self, order_id: str) -> Order | None:
        """Ship an order, whosever it is. Its address has to be settled."""
        values = {"status": "shipped", "shipped_at": self._now()}
        return await self._move(order_id, allowed=and_(_PLACED, _SETTLED), values=values)

    async def delivery_changes(self, subject: str, order_id: str) -> int | None:
        """Return how often it was said where a subject's own order goes, for `deliver`."""
        if not may_be_an_id(order_id):
            return None
        order = and_(with_id(order_id), own(subject))
        async with self._database.reading() as connection:
            found = (await connection.execute(select(tables.orders).where(order))).mappings().one_or_none()
        if found is not None and found["status"] != "placed":
            raise WrongState(found["status"], found["delivery_status"])
        return None if found is None else int(found["delivery_changes"])

    async def deliver(self, subject: str, order_id: str, delivery: Delivery, *, after: int) -> Order | None:
        """Say where a subject's own order goes, as long as it has not gone anywhere.

        `after`: how often that was said before anybody was asked for the address. None also if somebody else has said
        it since: they may have asked later, and the older address must not win.
        """
        values = {**delivery_columns(delivery), "delivery_changes": after + 1}
        allowed = and_(_PLACED, tables.orders.c.delivery_changes == after)
        try:
            return await self._move(order_id, own(subject), allowed=allowed, values=values)
        except WrongState as wrong:
            if wrong.status != "placed":
                raise
            return None

    async def _move(
        self, order_id: str, *whose: ColumnElement[bool], allowed: ColumnElement[bool], values: Mapping[str, Any]
    ) -> Order | None:
        if not may_be_an_id(order_id):
            return None
        order = and_(with_id(order_id), *whose)
        async with self._database.writing() as connection:
            moving = update(tables.orders).where(order, allowed).values(values).returning(tables.orders)
            moved = (await connection.execute(moving)).mappings().all()
            if moved:
                return (await with_items(connection, moved))[0]
            as_it_is = (await connection.execute(select(tables.orders).where(order))).mappings().one_or_none()
        if as_it_is is None:
            return None
        raise WrongState(as_it_is["status"], as_it_is["delivery_status"])

    def _now(self) -> int:
        return round(self._clock() * 1_000_000)
