"""Client assertions that were used, so that none is accepted twice."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "used_assertions",
        sa.Column("assertion", sa.LargeBinary(32), primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_used_assertions_until", "used_assertions", ["until"])
