"""Orders: placed at the catalogue's prices, delivered to the subject's address, shown to nobody else."""

from orders_service.orders.idempotency import KEY_PATTERN, IdempotencyKey, KeyReused
from orders_service.orders.order import (
    Delivery,
    DeliveryAddress,
    Order,
    OrderItem,
    OrderLine,
    OrderStatus,
    Page,
)
from orders_service.orders.placing import Placed, Placing, UnfitLines
from orders_service.orders.reading import Orders, UnknownCursor
from orders_service.orders.states import OrderStates, WrongState

__all__ = [
    "KEY_PATTERN",
    "Delivery",
    "DeliveryAddress",
    "IdempotencyKey",
    "KeyReused",
    "Order",
    "OrderItem",
    "OrderLine",
    "OrderStates",
    "OrderStatus",
    "Orders",
    "Page",
    "Placed",
    "Placing",
    "UnfitLines",
    "UnknownCursor",
    "WrongState",
]
