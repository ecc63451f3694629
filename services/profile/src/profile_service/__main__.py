"""`python -m profile_service`: run profile until a signal ends it."""

from profile_service.app import create_app
from profile_service.settings import Settings
from service_chassis.database import MIGRATION_SECONDS, Database
from service_chassis.logs import configure_logging
from service_chassis.process import serve
from service_chassis.resource_server import learn_for_workers
from service_chassis.settings import read_settings


def main() -> None:
    """Read the settings from the environment and serve. Exit status 1: refused with a sentence; 2: wrong settings."""
    settings = read_settings(Settings)
    configure_logging("profile", settings.log_level)
    serve(lambda: create_app(settings), settings, prepare=lambda: _prepare(settings))


async def _prepare(settings: Settings) -> None:
    # No request is waiting yet, but perhaps another process that starts at this moment: it may take its time.
    database = Database.of(settings, patience=MIGRATION_SECONDS)
    try:
        await database.migrate("profile_service")
    finally:
        await database.close()
    await learn_for_workers(settings)


if __name__ == "__main__":
    main()
