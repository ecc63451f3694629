"""Logins that can be listed and ended, their refresh tokens, and accounts that can be disabled."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables, and give accounts two columns."""
    op.add_column("accounts", sa.Column("disabled_at", sa.BigInteger))
    op.add_column("accounts", sa.Column("password_changes", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "logins",
        sa.Column("sid", sa.String(32), primary_key=True),
        sa.Column("sub", sa.String(32), sa.ForeignKey("accounts.sub"), nullable=False),
        sa.Column("device", sa.String(200), nullable=False),
        sa.Column("address", sa.String(50), nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    op.create_index("ix_logins_sub", "logins", ["sub"])
    op.create_index("ix_logins_ends_at", "logins", ["ends_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("sid", sa.String(32), sa.ForeignKey("logins.sid", ondelete="CASCADE"), nullable=False),
        sa.Column("used_at", sa.Double),
        sa.Column("successor", sa.LargeBinary(32)),
        sa.CheckConstraint("(used_at IS NULL) = (successor IS NULL)", name="used_up_by_a_successor"),
    )
    op.create_index("ix_refresh_tokens_sid", "refresh_tokens", ["sid"])
    op.create_table(
        "refresh_key",
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sealed_key", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("place = 1", name="refresh_key_place"),
    )
