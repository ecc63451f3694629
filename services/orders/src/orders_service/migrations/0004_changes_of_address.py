"""How often it was said where an order goes, so that who asked earlier cannot have the last word."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("orders", sa.Column("delivery_changes", sa.Integer, nullable=False, server_default="0"))
