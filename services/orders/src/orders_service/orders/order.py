"""What an order is, as clients see it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from orders_service.catalogue import Money

OrderStatus = Literal["placed", "cancelled", "shipped"]
DeliveryStatus = Literal["settled", "pending", "none_on_file"]
PendingReason = Literal["unavailable", "not_permitted", "not_asked"]

# No control character, C1 included, and no separator of lines: each is one line, whoever prints it on a parcel.
_Line = Annotated[StrictStr, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]


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


class DeliveryAddress(BaseModel):
    """Where a parcel goes: a copy of what profile had on file. What profile may add to it one day is left out."""

    model_config = ConfigDict(frozen=True)

    recipient: _Line
    street: Annotated[list[_Line], Field(min_length=1, max_length=4)]
    postal_code: _Line | None = None
    city: _Line
    region: _Line | None = None
    country: Annotated[StrictStr, Field(pattern="^[A-Z]{2}$")]


class Delivery(BaseModel):
    """Where an order goes, as far as it is known.

    `settled`: to this address. `none_on_file`: profile said that the subject has none. `pending`: nobody knows yet,
    because profile or auth was away or too slow (`unavailable`), the caller's token did not allow to ask
    (`not_permitted`), or the order is from a time when nobody asked (`not_asked`).
    """

    model_config = ConfigDict(frozen=True)

    status: DeliveryStatus
    address: DeliveryAddress | None = None
    reason: PendingReason | None = None


class Order(BaseModel):
    """An order. Its times are in UTC. [RFC 3339]"""

    id: str
    status: OrderStatus
    placed_at: datetime
    cancelled_at: datetime | None
    shipped_at: datetime | None
    items: list[OrderItem]
    total: Money
    delivery: Delivery


class Page(BaseModel):
    """Some orders, newest first. `next_cursor` asks for those after them; null when there are none."""

    orders: list[Order]
    next_cursor: str | None
