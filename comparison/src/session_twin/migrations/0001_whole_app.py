"""Everything the small app keeps: its own accounts and sessions, and the tables of profile and orders as they are."""

from alembic import op

from orders_service.database import metadata as orders
from profile_service.database import metadata as profiles
from session_twin.database import metadata as own

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables. They live as long as one comparison: no later revision will meet an earlier state of them."""
    for each in (own, profiles, orders):
        each.create_all(op.get_bind())
