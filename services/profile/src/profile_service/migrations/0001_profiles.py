"""Profiles, one row for each subject that has ever written one."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "profiles",
        sa.Column("sub", sa.String(255), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("display_name", sa.String(100)),
        sa.Column("bio", sa.String(2000)),
        sa.Column("locale", sa.String(35)),
        sa.Column("delivery_address", sa.JSON(none_as_null=True)),
    )
