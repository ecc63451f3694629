"""Migrations: the revisions in a package's own folder, applied to a connection by Alembic."""

import contextlib
import importlib.resources

import alembic.command
import alembic.config
from sqlalchemy import Connection


def upgrade(connection: Connection, package: str) -> None:
    """Bring the schema up to the newest revision in `<package>/migrations`, inside the connection's transaction."""
    config = alembic.config.Config(attributes={"connection": connection})
    with contextlib.ExitStack() as stack:
        for option, owner in (("script_location", "service_chassis"), ("version_locations", package)):
            folder = importlib.resources.files(owner).joinpath("migrations")
            config.set_main_option(option, str(stack.enter_context(importlib.resources.as_file(folder))))
        config.set_main_option("path_separator", "newline")
        alembic.command.upgrade(config, "head")
