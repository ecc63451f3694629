"""`python -m auth_service`: serve, make the first administrator, change the key-encryption key, or end all logins."""

import argparse
import asyncio
import getpass
import sys

from sqlalchemy.exc import DBAPIError

from auth_service.app import create_app
from auth_service.database import refresh_key, signing_keys
from auth_service.end_all_logins import end_all_logins
from auth_service.first_administrator import create_first_administrator
from auth_service.refresh_key import label as refresh_key_label
from auth_service.settings import EndingSettings, Settings, StorageSettings
from auth_service.signing_keys import EXCLUSIVE
from auth_service.signing_keys import label as signing_keys_label
from service_chassis import key_change
from service_chassis.database import StorageUnavailable
from service_chassis.logs import configure_logging
from service_chassis.problems import Problem
from service_chassis.process import serve
from service_chassis.settings import read_settings

_SEALED = (
    key_change.SealedColumn(signing_keys.c.sealed_private_key, signing_keys.c.kid, signing_keys_label),
    key_change.SealedColumn(refresh_key.c.sealed_key, refresh_key.c.place, refresh_key_label),
)


def main() -> None:
    """Do what the command line says. Exit status: 0 done, 1 refused with a sentence, 2 wrong usage or settings."""
    parser = argparse.ArgumentParser(prog="python -m auth_service", description="Signet's authorization server.")
    commands = parser.add_subparsers(dest="command", metavar="command", title="without a command, serve; commands")
    create_admin = commands.add_parser(
        "create-admin",
        help="make the first administrator; the password is read from standard input",
        description="Make the first administrator. The password is one line of standard input.",
    )
    create_admin.add_argument("--email", required=True)
    create_admin.add_argument("--name", required=True)
    commands.add_parser(
        "change-key-encryption-key",
        help="store all signing keys under a new key-encryption key, whether the service runs or not",
        description="Replace the key in SIGNET_KEY_ENCRYPTION_KEY_FILE. Should it be cut off, run it again.",
    )
    commands.add_parser(
        "end-all-logins",
        help="end every login, as after a database was put back from a copy; whether the service runs or not",
        description="End every login in the database. Should it be cut off, run it again.",
    )
    arguments = parser.parse_args()
    try:
        if arguments.command == "create-admin":
            _create_administrator(arguments.email, arguments.name)
        elif arguments.command == "change-key-encryption-key":
            key_change.run("auth", columns=_SEALED, exclusive=EXCLUSIVE)
        elif arguments.command == "end-all-logins":
            _end_all_logins()
        else:
            _serve()
    except DBAPIError as error:
        sys.exit(f"The database cannot be used: {error.orig}.")
    except OSError as error:
        sys.exit(f"{error.filename or 'A file'}: {error.strerror}.")


def _serve() -> None:
    settings = read_settings(Settings)
    configure_logging("auth", settings.log_level)
    serve(lambda: create_app(settings), settings, prepare=lambda: _start_once(settings))


async def _start_once(settings: Settings) -> None:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        pass


def _end_all_logins() -> None:
    settings = read_settings(EndingSettings)
    configure_logging("auth", settings.log_level)
    try:
        ended = asyncio.run(end_all_logins(settings, remember_for=settings.max_token_life + settings.leeway))
    except StorageUnavailable:
        sys.exit("The database cannot be used just now. Run this again.")
    sys.stdout.write(f"Logins ended: {ended.number}. Feed: {ended.seq}.\n")


def _create_administrator(email: str, name: str) -> None:
    settings = read_settings(StorageSettings)
    configure_logging("auth", settings.log_level)
    try:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        sys.exit("The password on standard input is not UTF-8.")
    try:
        asyncio.run(create_first_administrator(settings, email=email, name=name, password=password))
    except ValueError as refusal:
        sys.exit(str(refusal))
    except Problem as refusal:
        sys.exit(refusal.detail)
    sys.stdout.write(f"{email} is an administrator now.\n")


if __name__ == "__main__":
    main()
