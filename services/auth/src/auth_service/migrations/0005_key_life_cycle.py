"""When a signing key may leave its state, and that one stands ready."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column and the index; keep no private key that may sign no more."""
    op.add_column("signing_keys", sa.Column("held_until", sa.BigInteger))
    # Until now a pending key was always one of a first pair, and those are usable at once.
    op.execute("UPDATE signing_keys SET held_until = state_since WHERE state = 'pending'")
    op.execute("UPDATE signing_keys SET sealed_private_key = NULL WHERE state NOT IN ('pending', 'active')")
    only_pending = sa.text("state = 'pending'")
    op.create_index(
        "one_pending_key",
        "signing_keys",
        ["state"],
        unique=True,
        sqlite_where=only_pending,
        postgresql_where=only_pending,
    )
