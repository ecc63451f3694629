"""The first parcel."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Send it."""
    op.execute("INSERT INTO parcels (note) VALUES ('first')")
