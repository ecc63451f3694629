"""`python -m profile_service`: run profile until a signal ends it."""

from profile_service.app import create_app
from profile_service.settings import Settings
from service_chassis.logs import configure_logging
from service_chassis.server import serve
from service_chassis.settings import read_settings


def main() -> None:
    """Read the settings from the environment and serve."""
    settings = read_settings(Settings)
    configure_logging("profile", settings.log_level)
    serve(create_app(settings), host=settings.host, port=settings.port)


if __name__ == "__main__":
    main()
