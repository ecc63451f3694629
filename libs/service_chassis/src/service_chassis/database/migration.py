"""Migrations: the revisions in a package's own folder, applied to a connection by Alembic.

Each file is named after its revision, `0002_what_it_does.py`, and the highest is the newest: so it can be seen without
Alembic, which takes ten megabytes, whether there is anything to do.
"""

import contextlib
import importlib.resources

from sqlalchemy import Connection, inspect, text


def upgrade(connection: Connection, package: str) -> None:
    """Bring the schema up to the newest revision in `<package>/migrations`, inside the connection's transaction."""
    if _revision(connection) != newest_revision(package):
        _upgrade(connection, package)


def newest_revision(package: str) -> str:
    """Return the revision that the package's queries are written for."""
    files = importlib.resources.files(package).joinpath("migrations").iterdir()
    return max(file.name.partition("_")[0] for file in files if file.name.endswith(".py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, package: str) -> None:
    import alembic.command  # noqa: PLC0415 -- not in every process for its life
    import alembic.config  # noqa: PLC0415 -- same

    config = alembic.config.Config(attributes={"connection": connection})
    with contextlib.ExitStack() as stack:
        for option, owner in (("script_location", "service_chassis"), ("version_locations", package)):
            folder = importlib.resources.files(owner).joinpath("migrations")
            config.set_main_option(option, str(stack.enter_context(importlib.resources.as_file(folder))))
        config.set_main_option("path_separator", "newline")
        alembic.command.upgrade(config, "head")
