"""The resources of orders: the public catalogue, and the caller's own orders."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from orders_service.catalogue import Catalogue, CatalogueItem
from orders_service.orders import Order, OrderLine, Orders, Page, UnfitLines, UnknownCursor
from service_chassis.conditional_requests import entity_tag, is_unchanged
from service_chassis.documentation import refusals
from service_chassis.problems import Problem
from token_verification.fastapi import Caller, requires_scope

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


async def _keep_out_of_caches(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


TheCatalogue = Annotated[Catalogue, Depends(_catalogue)]
TheOrders = Annotated[Orders, Depends(_orders)]
PRIVATE = Depends(_keep_out_of_caches)
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
    responses=_PLACED | refusals(400, 413, 415, 422),
)
async def place_order(caller: Caller, orders: TheOrders, wanted: PlaceOrder, response: Response) -> Order:
    """Place an order for the caller, at the prices of the catalogue."""
    try:
        order = await orders.place(caller.subject, wanted.items)
    except UnfitLines as unfit:
        errors = [{"field": f"items[{place}].sku", "message": message} for place, message in unfit.faults.items()]
        raise Problem(422, "invalid_body", "The body is JSON, but no order can be made of it.", errors=errors) from None
    _log.info("order_placed", order=order.id, sub=caller.subject)
    response.headers["Location"] = f"/api/orders/{order.id}"
    return order


@router.get("/api/orders", dependencies=[requires_scope("orders:read"), PRIVATE], responses=refusals(422))
async def list_orders(
    caller: Caller,
    orders: TheOrders,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Page:
    """Return the caller's own orders, newest first."""
    try:
        return await orders.page(caller.subject, limit=limit, cursor=cursor)
    except UnknownCursor:
        errors = [{"field": "cursor", "message": "This is not the next_cursor of a page of yours."}]
        raise Problem(
            422, "invalid_parameters", "The request's parameters are not what this endpoint takes.", errors=errors
        ) from None


@router.get(
    "/api/orders/{order_id}", dependencies=[requires_scope("orders:read"), PRIVATE], responses=refusals(404, 422)
)
async def read_order(order_id: OrderId, caller: Caller, orders: TheOrders) -> Order:
    """Return one of the caller's own orders; another's is not there, just as one that never was."""
    order = await orders.find(caller.subject, order_id)
    if order is None:
        raise Problem(404, "not_found", "You have no such order.")
    return order
