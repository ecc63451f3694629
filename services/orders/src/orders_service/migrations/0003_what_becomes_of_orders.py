"""What becomes of an order, where it goes, and the keys under which clients may ask again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Each with the rules that rows must keep, however they came to be. Orders from before were asked for no address.
_COLUMNS = {
    "status": "VARCHAR(20) NOT NULL DEFAULT 'placed' CHECK (status IN ('placed', 'cancelled', 'shipped'))",
    "cancelled_at": "BIGINT CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))",
    "shipped_at": "BIGINT CHECK ((status = 'shipped') = (shipped_at IS NOT NULL))",
    "delivery_status": """VARCHAR(20) NOT NULL DEFAULT 'pending'
        CHECK (delivery_status IN ('settled', 'pending', 'none_on_file'))
        CHECK (status <> 'shipped' OR delivery_status = 'settled')""",
    "delivery_reason": """VARCHAR(20) DEFAULT 'not_asked'
        CHECK ((delivery_status = 'pending') = (delivery_reason IS NOT NULL))""",
    "delivery_address": "JSON CHECK ((delivery_status = 'settled') = (delivery_address IS NOT NULL))",
}


def upgrade() -> None:
    """Add the columns and the table."""
    for name, definition in _COLUMNS.items():
        op.execute(f"ALTER TABLE orders ADD COLUMN {name} {definition}")
    op.create_table(
        "idempotency_keys",
        sa.Column("sub", sa.String(255), primary_key=True),
        sa.Column("idempotency_key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("order_id", sa.String(40), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("idempotency_keys_by_end", "idempotency_keys", ["expires_at"])
