"""The key by which orders proves to the issuer that it is orders."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table, with room for one."""
    op.create_table(
        "client_key",
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kid", sa.String(43), nullable=False),
        sa.Column("sealed_private_key", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("place = 1", name="client_key_place"),
    )
