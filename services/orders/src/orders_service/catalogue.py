"""The catalogue: what can be ordered, at which price. The service owns it; no client names a price."""

from collections.abc import Collection
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orders_service import database as tables
from service_chassis.database import Database


class Money(BaseModel):
    """An amount in minor units (cents) of a currency. [ISO 4217]"""

    amount: int
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class CatalogueItem(BaseModel):
    """One thing that can be ordered."""

    sku: str
    name: str
    description: str
    price: Money


class Catalogue:
    """The catalogue in a database. Raises StorageUnavailable when that cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def items(self) -> list[CatalogueItem]:
        """Return all of it, as it is to be shown."""
        async with self._database.reading() as connection:
            found = await connection.execute(select(tables.catalogue).order_by(tables.catalogue.c.position))
            return [_item(row) for row in found.mappings()]


async def items_named(connection: AsyncConnection, skus: Collection[str]) -> dict[str, CatalogueItem]:
    """Return the items of these SKUs that there are, inside the transaction that will use their prices."""
    found = await connection.execute(select(tables.catalogue).where(tables.catalogue.c.sku.in_(skus)))
    return {row["sku"]: _item(row) for row in found.mappings()}


def _item(row: RowMapping) -> CatalogueItem:
    price = Money(amount=row["amount"], currency=row["currency"])
    return CatalogueItem(sku=row["sku"], name=row["name"], description=row["description"], price=price)
