"""The resources of orders: the public catalogue, and the caller's own orders."""

import re
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orders_service.catalogue import Catalogue, CatalogueItem
from orders_service.delivery import SCOPE, AddressNotPermitted, AddressUnavailable, DeliveryAddresses
from orders_service.orders import (
    KEY_PATTERN,
    IdempotencyKey,
    KeyReused,
    Order,
    OrderLine,
    Orders,
    OrderStates,
    Page,
    Placing,
    UnfitLines,
    UnknownCursor,
    WrongState,
)
from service_chassis.conditional_requests import entity_tag, is_unchanged
from service_chassis.documentation import refusals
from service_chassis.problems import Problem, Unavailable
from token_verification import InvalidToken, VerificationError
from token_verification.errors import InsufficientScope
from token_verification.fastapi import Caller, bearer_token, requires_scope

Found = TypeVar("Found")

_TRIES = 5
"""How often profile is asked for an address, as long as somebody else settles the same order's meanwhile."""

router = APIRouter()
_log = structlog.get_logger()


class WholeCatalogue(BaseModel):
    """Everything that can be ordered."""

    items: list[CatalogueItem]


class PlaceOrder(BaseModel):
    """What is to be ordered. Each SKU stands in it once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: Annotated[list[OrderLine], Field(min_length=1, max_length=50)]


async def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


async def _orders(request: Request) -> Orders:
    orders: Orders = request.app.state.orders
    return orders


async def _placing(request: Request) -> Placing:
    placing: Placing = request.app.state.placing
    return placing


async def _states(request: Request) -> OrderStates:
    states: OrderStates = request.app.state.order_states
    return states


async def _addresses(request: Request) -> DeliveryAddresses:
    addresses: DeliveryAddresses = request.app.state.delivery_addresses
    return addresses


_KEY = Header(
    alias="Idempotency-Key",
    pattern=KEY_PATTERN,
    description="Chosen by the client for one order: asking again with it, within 24 h, gets the first answer.",
)


async def _key(request: Request, key: Annotated[str | None, _KEY] = None) -> str | None:
    if len(request.headers.getlist("Idempotency-Key")) > 1:
        raise _unfit_parameter("Idempotency-Key", "This header stands in the request more than once.")
    return key


def _in_digits(number: object) -> object:
    if isinstance(number, str) and not re.fullmatch("[0-9]{1,9}", number):
        raise ValueError("must be a whole number, in digits alone")
    return number


async def _token(request: Request) -> str:
    return bearer_token(request.scope)


async def _keep_out_of_caches(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


TheCatalogue = Annotated[Catalogue, Depends(_catalogue)]
TheOrders = Annotated[Orders, Depends(_orders)]
ThePlacing = Annotated[Placing, Depends(_placing)]
TheStates = Annotated[OrderStates, Depends(_states)]
TheAddresses = Annotated[DeliveryAddresses, Depends(_addresses)]
PRIVATE = Depends(_keep_out_of_caches)
Key = Annotated[str | None, Depends(_key)]
Token = Annotated[str, Depends(_token)]
OrderId = Annotated[str, Path(max_length=40, description="Opaque, as the order itself says it.")]

_TEXT = {"schema": {"type": "string"}}
_CONDITION: dict[str, Any] = {
    "parameters": [
        _TEXT
        | {
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of what the client has; 304 when nothing has changed.",
        }
    ]
}
_CATALOGUE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": _TEXT | {"description": "Names these bytes."}}},
    304: {"description": "The client has it already."},
}
_PLACED: dict[int | str, dict[str, Any]] = {
    201: {"headers": {"Location": _TEXT | {"description": "Where the order is from now on."}}}
}


@router.get(
    "/api/catalogue",
    response_model=WholeCatalogue,
    responses=_CATALOGUE_ANSWERS | refusals(503),
    openapi_extra=_CONDITION,
)
async def read_catalogue(catalogue: TheCatalogue, request: Request) -> Response:
    """Return everything that can be ordered. It asks for no token, and is the same for everyone."""
    body = WholeCatalogue(items=await catalogue.items()).model_dump_json().encode()
    headers = {"ETag": entity_tag(body), "Cache-Control": "public, max-age=60"}
    if is_unchanged(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.post(
    "/api/orders",
    status_code=201,
    dependencies=[requires_scope("orders:write"), PRIVATE],
    response_model=Order,
    responses=_PLACED | refusals(400, 413, 415, 422),
)
async def place_order(
    *, caller: Caller, token: Token, placing: ThePlacing, addresses: TheAddresses, wanted: PlaceOrder, key: Key
) -> Response:
    """Place an order for the caller, at the prices of the catalogue, to the address that profile has on file.

    While that cannot be asked, the order is placed with its delivery pending.
    """
    try:
        order_id, answer, again = await placing.place(
            caller.subject,
            wanted.items,
            look_up=lambda: addresses.look_up(caller, token),
            key=IdempotencyKey(caller.subject, key, wanted.items) if key else None,
        )
    except UnfitLines as unfit:
        errors = [{"field": f"items[{place}].sku", "message": message} for place, message in unfit.faults.items()]
        raise Problem(422, "invalid_body", "The body is JSON, but no order can be made of it.", errors=errors) from None
    except KeyReused:
        detail = "This Idempotency-Key was used for another order. Choose a new key for a new order."
        raise Problem(422, "idempotency_key_reused", detail) from None
    _log.info("order_answered_again" if again else "order_placed", order=order_id, sub=caller.subject)
    headers = {"Location": f"/api/orders/{order_id}", "Cache-Control": "no-store"}
    return Response(answer, 201, headers, media_type="application/json")


@router.get("/api/orders", dependencies=[requires_scope("orders:read"), PRIVATE], responses=refusals(422))
async def list_orders(
    caller: Caller,
    orders: TheOrders,
    limit: Annotated[int, BeforeValidator(_in_digits), Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Page:
    """Return the caller's own orders, newest first."""
    try:
        return await orders.page(caller.subject, limit=limit, cursor=cursor)
    except UnknownCursor:
        raise _unfit_parameter("cursor", "This is not the next_cursor of a page of yours.") from None


@router.get(
    "/api/orders/{order_id}", dependencies=[requires_scope("orders:read"), PRIVATE], responses=refusals(404, 422)
)
async def read_order(order_id: OrderId, caller: Caller, orders: TheOrders) -> Order:
    """Return one of the caller's own orders; another's is not there, just as one that never was."""
    return _found(await orders.find(caller.subject, order_id))


@router.post(
    "/api/orders/{order_id}/cancel",
    dependencies=[requires_scope("orders:write"), PRIVATE],
    responses=refusals(404, 409, 422),
)
async def cancel_order(order_id: OrderId, caller: Caller, states: TheStates) -> Order:
    """Cancel one of the caller's own orders, as long as it has not been shipped."""
    try:
        order = _found(await states.cancel(caller.subject, order_id))
    except WrongState as wrong:
        raise _conflict(wrong) from None
    _log.info("order_cancelled", order=order.id, sub=caller.subject)
    return order


@router.post(
    "/api/orders/{order_id}/ship",
    dependencies=[requires_scope("orders:ship"), PRIVATE],
    responses=refusals(404, 409, 422),
)
async def ship_order(order_id: OrderId, caller: Caller, states: TheStates) -> Order:
    """Ship an order, whosever it is, once it is settled where it goes."""
    try:
        order = _found(await states.ship(order_id))
    except WrongState as wrong:
        raise _conflict(wrong) from None
    _log.info("order_shipped", order=order.id, by=caller.subject)
    return order


@router.put(
    "/api/orders/{order_id}/delivery-address",
    dependencies=[requires_scope("orders:write"), PRIVATE],
    responses=refusals(404, 409, 422, 503),
)
async def settle_delivery_address(
    *, order_id: OrderId, caller: Caller, token: Token, states: TheStates, addresses: TheAddresses
) -> Order:
    """Let one of the caller's own orders go where profile says now, as long as it is placed. It takes no body."""
    order, tries = None, 0
    try:
        while order is None:
            changes = _found(await states.delivery_changes(caller.subject, order_id))
            if tries == _TRIES:
                raise _away()
            tries += 1
            delivery = await addresses.read(caller, token)
            order = await states.deliver(caller.subject, order_id, delivery, after=changes)
    except WrongState as wrong:
        raise _conflict(wrong) from None
    except AddressNotPermitted as refusal:
        raise _refusal(refusal) from None
    except AddressUnavailable:
        raise _away() from None
    _log.info("order_delivery_settled", order=order.id, sub=caller.subject, delivery=order.delivery.status)
    return order


def _found(found: Found | None) -> Found:
    if found is None:
        raise Problem(404, "not_found", "You have no such order.")
    return found


def _unfit_parameter(name: str, message: str) -> Problem:
    detail = "The request's parameters are not what this endpoint takes."
    return Problem(422, "invalid_parameters", detail, errors=[{"field": name, "message": message}])


def _conflict(wrong: WrongState) -> Problem:
    detail = f"The order is {wrong.status}, and its delivery address {wrong.delivery.replace('_', ' ')}."
    return Problem(409, "wrong_state", detail, order_status=wrong.status, delivery_status=wrong.delivery)


def _refusal(refusal: AddressNotPermitted) -> VerificationError:
    """Say what is wrong with the token in the words in which tokens are always refused; the finding is auth's."""
    if refusal.reason is None:
        return InsufficientScope(SCOPE)
    return InvalidToken(refusal.reason, "Auth exchanges this token for no other.")


def _away() -> Problem:
    detail = "Nobody can be asked for the delivery address just now. The order stays as it is."
    return Unavailable("address_unavailable", detail, retry_after=1)
