"""The schema that migrations make is the one the code uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from auth_service.database import metadata

if TYPE_CHECKING:
    from pathlib import Path


def test_migrations_and_tables_agree(grown_up: Path) -> None:
    """Nothing is in the one that is not in the other, indices and constraints included."""
    engine = create_engine(f"sqlite:///{grown_up}/data/auth.db")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
        assert differences == []
        schema = inspect(connection)
        assert {check["name"] for check in schema.get_check_constraints("signing_keys")} == {"known_state"}
        (only_active,) = [index for index in schema.get_indexes("signing_keys") if index["name"] == "one_active_key"]
        assert only_active["unique"]
    engine.dispose()
