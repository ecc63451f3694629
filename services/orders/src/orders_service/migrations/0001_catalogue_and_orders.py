"""The catalogue with what is in it, and the orders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers rows by itself in an INTEGER key alone
_ITEMS = (
    ("ENVELOPE-C5", "Envelope, C5", "Carries whatever is put into it, and has no opinion of it. Fifty.", 690),
    ("SEAL-BRASS", "Brass seal", "One of a kind, kept by whoever signs. To check a letter takes none.", 4_900),
    ("WAX-RED", "Sealing wax, red", "Six sticks. Broken wax shows that a letter was opened, and hides nothing.", 1_150),
    ("LENS-10X", "Magnifier, ten times", "For looking closely at a seal, wherever the letter arrives.", 2_480),
    ("RING-SIGNET", "Signet ring", "Silver, engraved to order, to be replaced on a day that was announced.", 18_900),
    ("BOOK-GUEST", "Guest book", "A line for everyone who came in. Ask it, and it knows who is still here.", 3_200),
    ("LAMP-DESK", "Desk lamp", "Goes on burning while the office across the street is dark.", 7_450),
    ("STAMP-SET", "Date stamps", "Issued at, not before, good until: three stamps in a wooden box.", 2_650),
)


def upgrade() -> None:
    """Make the tables, and fill the catalogue."""
    catalogue = op.create_table(
        "catalogue",
        sa.Column("sku", sa.String(40), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.CheckConstraint("amount > 0", name="catalogue_amount"),
        # A total adds prices up, which has a meaning in one currency only.
        sa.CheckConstraint("currency = 'EUR'", name="catalogue_currency"),
    )
    op.create_table(
        "orders",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("sub", sa.String(255), nullable=False),
        sa.Column("placed_at", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
    )
    op.create_index("orders_by_subject", "orders", ["sub", "seq"])
    op.create_table(
        "order_items",
        sa.Column("order_seq", _SEQ, sa.ForeignKey("orders.seq"), primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("sku", sa.String(40), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_amount", sa.BigInteger, nullable=False),
        sa.CheckConstraint("quantity BETWEEN 1 AND 99", name="order_items_quantity"),
    )
    op.bulk_insert(
        catalogue,
        [
            {
                "sku": sku,
                "position": position,
                "name": name,
                "description": description,
                "amount": amount,
                "currency": "EUR",
            }
            for position, (sku, name, description, amount) in enumerate(_ITEMS)
        ],
    )
