"""Accounts, attempt counters and signing keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "accounts",
        sa.Column("sub", sa.String(32), primary_key=True),
        sa.Column("email", sa.String(320), nullable=False, unique=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("administrator", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "attempts",
        sa.Column("counted", sa.LargeBinary(32), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_attempts_since", "attempts", ["since"])
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(43), primary_key=True),
        sa.Column("state", sa.String(11), nullable=False),
        sa.Column("state_since", sa.BigInteger, nullable=False),
        sa.Column("public_jwk", sa.Text, nullable=False),
        sa.Column("sealed_private_key", sa.LargeBinary),
        sa.CheckConstraint("state IN ('pending', 'active', 'retiring', 'removed', 'compromised')", name="known_state"),
    )
    only_active = sa.text("state = 'active'")
    op.create_index(
        "one_active_key",
        "signing_keys",
        ["state"],
        unique=True,
        sqlite_where=only_active,
        postgresql_where=only_active,
    )
