"""Placing an order: once, at the catalogue's prices, with the address that is on file."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from orders_service.catalogue import Money, items_named
from orders_service.orders.idempotency import Earlier, IdempotencyKey
from orders_service.orders.order import Delivery, Order, OrderItem, OrderLine
from orders_service.orders.rows import insert_order, moment
from service_chassis.database import Database


class UnfitLines(Exception):  # noqa: N818 -- what was found, not a fault of this program
    """An order cannot be made of these lines; `faults` has a sentence for each line in question, counted from 0."""

    def __init__(self, faults: Mapping[int, str]) -> None:
        super().__init__(f"unfit lines: {list(faults)}")
        self.faults = faults


class Placed(NamedTuple):
    """What is answered: the order as it was when it was placed, in JSON. `again`: it was answered before."""

    order_id: str
    answer: bytes
    again: bool


class Placing:
    """The place where orders come from.

    `clock` gives seconds since the epoch; `keep_for` is how many seconds an idempotency key is remembered.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float], keep_for: float) -> None:
        self._database = database
        self._clock = clock
        self._keep_for = keep_for

    async def place(
        self,
        subject: str,
        lines: Sequence[OrderLine],
        *,
        look_up: Callable[[], Awaitable[Delivery]],
        key: IdempotencyKey | None = None,
    ) -> Placed:
        """Place an order for a subject; it is durable when this returns. `look_up` is asked for its address.

        With a key, there is one order however often and however concurrently this is asked. Raises UnfitLines,
        KeyReused, or StorageUnavailable; none of them uses the key up.
        """
        # Nobody is asked for the address of an order that is there already, or cannot be.
        async with self._database.reading() as connection:
            if earlier := key and await key.recall(connection, now=self._now()):
                return Placed(*earlier, again=True)
            await _priced(connection, lines)
        delivery = await look_up()  # while no transaction is open: it may take its time
        # One after the other for each subject: who asks a second time waits for the first, and whoever reads page by
        # page never finds an order between two that it has seen.
        async with self._database.writing(exclusive=f"orders of {subject}") as connection:
            now = self._now()
            if earlier := key and await key.recall(connection, now=now):
                return Placed(*earlier, again=True)
            order = _order(await _priced(connection, lines), delivery, now=now)
            await insert_order(connection, subject, order)
            placed = Earlier(order.id, order.model_dump_json().encode())
            if key:
                await key.remember(connection, placed, now=now, keep_for=self._keep_for)
        return Placed(*placed, again=False)

    def _now(self) -> int:
        return round(self._clock() * 1_000_000)


def _order(items: list[OrderItem], delivery: Delivery, *, now: int) -> Order:
    return Order(
        # 128 random bits: knowing one's own id says nothing about anyone else's. [OWASP ASVS 5.0 section 8.2]
        id=f"ord_{secrets.token_urlsafe(16)}",
        status="placed",
        # Read while the subject can place no other order, so that the newest has the latest time.
        placed_at=moment(now),
        cancelled_at=None,
        shipped_at=None,
        items=items,
        total=_total(items),
        delivery=delivery,
    )


async def _priced(connection: AsyncConnection, lines: Sequence[OrderLine]) -> list[OrderItem]:
    offered = await items_named(connection, {line.sku for line in lines})
    if faults := _faults(lines, offered):
        raise UnfitLines(faults)
    return [
        OrderItem(
            sku=line.sku,
            name=offered[line.sku].name,
            quantity=line.quantity,
            unit_price=offered[line.sku].price,
        )
        for line in lines
    ]


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
