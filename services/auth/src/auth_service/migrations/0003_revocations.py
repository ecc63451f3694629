"""The log of revocations, and its head."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "revocations",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(3), nullable=False),
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.CheckConstraint("kind IN ('sid', 'jti', 'kid')", name="known_kind"),
    )
    op.create_index("ix_revocations_until", "revocations", ["until"])
    op.create_index("ix_revocations_kind_id", "revocations", ["kind", "id"])
    head = op.create_table(
        "revocation_head",
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.CheckConstraint("place = 1", name="revocation_head_place"),
    )
    # Not at 0: whoever asks for all that comes after it never waits for something to happen.
    op.bulk_insert(head, [{"place": 1, "seq": 1}])
