"""What a page of orders costs as its owner has more of them, beside the usual OFFSET query on the same rows."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.postgresql_server import running_server, why_no_server

from benchmarks.figures import Figure
from benchmarks.findings import Findings, Plot, Table
from orders_service import database as tables
from orders_service.orders import Orders
from orders_service.orders.rows import own, with_items
from service_chassis.database import Database

TITLE = "A page of 20 orders, while its owner has more and more of them"
SIZES = (100, 1000, 10_000, 100_000)
LIMIT = 20
FIRST, LAST, OFFSET = "the newest", "the oldest, by its cursor", "the oldest, by OFFSET"


def measure(*, quick: bool) -> Findings:
    """Measure on SQLite, and on PostgreSQL where a server can be had."""
    sizes, rounds = (SIZES[:3], 10) if quick else (SIZES, 50)
    figures, found = [], []
    if lack := why_no_server():
        figures.append(Figure("PostgreSQL", f"not measured: {lack}", "as on SQLite", kept=False))
    for kind, database in _databases():
        with database as url:
            costs = asyncio.run(_measure(url, sizes, rounds))
        figures += _figures(kind, costs)
        found.append((kind, costs))
    return Findings(
        figures=figures,
        tables=[_table(kind, costs) for kind, costs in found],
        plots=[_plot(kind, costs) for kind, costs in found],
        notes=["The rows of all of them are in one table. Pages are read as the service reads them, without HTTP."],
    )


Costs = dict[str, dict[int, float]]
"""By kind of page and orders of one person: seconds for a page."""


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        yield f"sqlite+aiosqlite:///{folder}/orders.db"


@contextmanager
def _postgresql() -> Iterator[str]:
    with running_server() as server:
        asyncio.run(_make_database(server.url("postgres")))
        yield server.url("orders")


async def _make_database(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("CREATE DATABASE orders TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"))
    await engine.dispose()


def _databases() -> Iterator[tuple[str, AbstractContextManager[str]]]:
    yield "SQLite", _sqlite()
    if why_no_server() is None:
        yield "PostgreSQL", _postgresql()


async def _measure(url: str, sizes: Sequence[int], rounds: int) -> Costs:
    database = Database(url)
    try:
        await database.migrate("orders_service")
        for size in sizes:
            await _fill(database, size)
        orders = Orders(database)
        reads: dict[tuple[str, int], Callable[[], Awaitable[object]]] = {}
        for size in sizes:
            reads[FIRST, size] = partial(orders.page, _owner(size), limit=LIMIT, cursor=None)
            reads[LAST, size] = partial(orders.page, _owner(size), limit=LIMIT, cursor=_id(size, LIMIT + 1))
            reads[OFFSET, size] = partial(_by_offset, database, size)
        seen: dict[tuple[str, int], list[float]] = {each: [] for each in reads}
        for each in [*reads, *list(reads) * rounds]:
            began = time.perf_counter()
            await reads[each]()
            seen[each].append(time.perf_counter() - began)
    finally:
        await database.close()
    return {name: {size: statistics.median(seen[name, size][1:]) for size in sizes} for name in (FIRST, LAST, OFFSET)}


async def _fill(database: Database, size: int) -> None:
    """Store one person's orders, each with one item. The numbers in the statements are our own."""
    first = f"""
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {size})
        INSERT INTO orders (id, sub, placed_at, amount, currency, status, delivery_status, delivery_reason)
        SELECT 'ord_{size:011}' || substr('00000000000' || i, length('00000000000' || i) - 10), '{_owner(size)}',
               i, 100, 'EUR', 'placed', 'none_on_file', NULL FROM n"""  # noqa: S608
    then = f"""
        INSERT INTO order_items (order_seq, line, sku, name, quantity, unit_amount)
        SELECT seq, 0, 'LAMP-DESK', 'Desk lamp', 1, 100 FROM orders WHERE sub = '{_owner(size)}'"""  # noqa: S608
    async with database.writing() as connection:
        for statement in (first, then, "ANALYZE"):
            await connection.exec_driver_sql(statement)


async def _by_offset(database: Database, size: int) -> None:
    """Read the last page as it is usually done."""
    query = select(tables.orders).where(own(_owner(size))).order_by(tables.orders.c.seq.desc())
    async with database.reading() as connection:
        rows = (await connection.execute(query.limit(LIMIT).offset(size - LIMIT))).mappings().all()
        page = await with_items(connection, rows)
    assert page[-1].id == _id(size, 1)


def _owner(size: int) -> str:
    return f"owner-of-{size}"


def _id(size: int, number: int) -> str:
    return f"ord_{size:011}{number:011}"


def _figures(kind: str, costs: Costs) -> list[Figure]:
    few, many = min(costs[FIRST]), max(costs[FIRST])
    return [
        *(
            Figure(f"{kind}: {name}, with {many:,} orders, in those with {few:,}",
                   f"{costs[name][many] / costs[name][few]:.2f}", "flat: less than 2",
                   kept=costs[name][many] < 2 * costs[name][few])
            for name in (FIRST, LAST)
        ),
        Figure.of_ratio(f"{kind}: {LAST}, × {OFFSET}, with {many:,} orders", costs[OFFSET][many] / costs[LAST][many]),
    ]  # fmt: skip


def _table(kind: str, costs: Costs) -> Table:
    rows = [
        (f"{size:,}", *(f"{costs[name][size] * 1000:.2f}" for name in (FIRST, LAST, OFFSET)),
         f"{costs[OFFSET][size] / costs[LAST][size]:.2f}")
        for size in costs[FIRST]
    ]  # fmt: skip
    columns = ("orders of one person", f"{FIRST}, ms", f"{LAST}, ms", f"{OFFSET}, ms", "× by OFFSET")
    return Table(f"On {kind}", columns, rows)


def _plot(kind: str, costs: Costs) -> Plot:
    lines = {name: [(float(size), cost * 1000) for size, cost in each.items()] for name, each in costs.items()}
    title, x = f"A page of {LIMIT} orders, on {kind}", "orders of one person"
    return Plot(f"orders-{kind.lower()}", title, "ms", x, lines=lines, logarithmic="xy")
