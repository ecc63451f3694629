"""The tables of orders' own database, as its queries see them; the migrations make them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

_SEQ = BigInteger().with_variant(Integer, "sqlite")

catalogue = Table(
    "catalogue",
    metadata,
    Column("sku", String(40), primary_key=True),
    Column("position", Integer, nullable=False),  # where it stands in the list
    Column("name", String(100), nullable=False),
    Column("description", String(500), nullable=False),
    Column("amount", BigInteger, nullable=False),  # minor units
    Column("currency", String(3), nullable=False),
)

client_key = Table(
    "client_key",
    metadata,
    # There is one place, so that replicas which start at once cannot each have a key.
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("kid", String(43), nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    CheckConstraint("place = 1", name="client_key_place"),
)

orders = Table(
    "orders",
    metadata,
    # In the order of insertion; never shown, because it would tell how many orders there are.
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("sub", String(255), nullable=False),
    Column("placed_at", BigInteger, nullable=False),  # microseconds since the epoch
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(20), nullable=False),  # placed, cancelled, shipped
    Column("cancelled_at", BigInteger),
    Column("shipped_at", BigInteger),
    Column("delivery_status", String(20), nullable=False),  # settled, pending, none_on_file
    Column("delivery_reason", String(20)),  # why it is pending
    Column("delivery_address", JSON(none_as_null=True)),  # when it is settled
    Column("delivery_changes", Integer, nullable=False, server_default="0"),
)

order_items = Table(
    "order_items",
    metadata,
    Column("order_seq", _SEQ, ForeignKey("orders.seq"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("sku", String(40), nullable=False),  # no foreign key: an item may leave the catalogue, an order keeps it
    Column("name", String(100), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_amount", BigInteger, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("sub", String(255), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),  # of what was asked
    Column("order_id", String(40), nullable=False),
    Column("answer", Text, nullable=False),  # byte by byte
    Column("expires_at", BigInteger, nullable=False),  # microseconds since the epoch
)
