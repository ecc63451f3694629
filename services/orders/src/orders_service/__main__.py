"""`python -m orders_service`: run orders until a signal ends it."""

from orders_service.app import create_app
from orders_service.settings import Settings
from service_chassis.logs import configure_logging
from service_chassis.server import serve
from service_chassis.settings import read_settings


def main() -> None:
    """Read the settings from the environment and serve."""
    settings = read_settings(Settings)
    configure_logging("orders", settings.log_level)
    serve(create_app(settings), host=settings.host, port=settings.port)


if __name__ == "__main__":
    main()
