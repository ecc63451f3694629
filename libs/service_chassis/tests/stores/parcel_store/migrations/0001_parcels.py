"""Parcels."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "parcels", sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text, nullable=False)
    )
