"""`python -m orders_service`: run orders until a signal ends it, or change its key-encryption key."""

import argparse

from orders_service.app import create_app, own_client_key
from orders_service.client_key import label
from orders_service.database import client_key
from orders_service.settings import Settings
from service_chassis import key_change
from service_chassis.database import MIGRATION_SECONDS, Database
from service_chassis.logs import configure_logging
from service_chassis.process import serve
from service_chassis.resource_server import learn_for_workers
from service_chassis.settings import read_settings


def main() -> None:
    """Do what the command line says. Exit status: 0 done, 1 refused with a sentence, 2 wrong usage or settings."""
    parser = argparse.ArgumentParser(prog="python -m orders_service", description="Signet's orders.")
    commands = parser.add_subparsers(dest="command", metavar="command", title="without a command, serve; commands")
    commands.add_parser(
        "change-key-encryption-key",
        help="store the client key under a new key-encryption key, whether the service runs or not",
        description="Replace the key in SIGNET_KEY_ENCRYPTION_KEY_FILE. Should it be cut off, run it again.",
    )
    if parser.parse_args().command == "change-key-encryption-key":
        column = key_change.SealedColumn(client_key.c.sealed_private_key, client_key.c.kid, label)
        key_change.run("orders", columns=[column], exclusive="client_key")
    else:
        _serve()


def _serve() -> None:
    settings = read_settings(Settings)
    configure_logging("orders", settings.log_level)
    serve(lambda: create_app(settings), settings, prepare=lambda: _prepare(settings))


async def _prepare(settings: Settings) -> None:
    # No request is waiting yet, but perhaps another process that starts at this moment: it may take its time.
    database = Database.of(settings, patience=MIGRATION_SECONDS)
    try:
        await database.migrate("orders_service")
        await own_client_key(settings, database).open()
    finally:
        await database.close()
    await learn_for_workers(settings)


if __name__ == "__main__":
    main()
