"""A ledger of two pages, with a long pause between them where STOP_HALF_WAY names a file to make there."""

import os
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, and write both pages."""
    op.create_table("ledger", sa.Column("page", sa.Integer, nullable=False))
    op.execute("INSERT INTO ledger VALUES (1)")
    if half_way := os.environ.get("STOP_HALF_WAY"):  # noqa: TID251 -- how a test speaks to the process that it kills
        Path(half_way).touch()
        if op.get_bind().dialect.name == "postgresql":
            op.execute("SELECT pg_sleep(60)")
        time.sleep(60)
    op.execute("INSERT INTO ledger VALUES (2)")
