"""The first administrator: made by whoever can reach the database, for there is no default password."""

import time
from collections.abc import Callable

import structlog
from sqlalchemy import select

from auth_service.accounts import insert_account, normalise_email, normalise_name
from auth_service.database import accounts
from auth_service.passwords import Passwords, check_new_password
from service_chassis.database import Database
from service_chassis.problems import Problem
from service_chassis.settings import DatabaseSettings

_log = structlog.get_logger()


class AdministratorExists(Problem):
    """There already is an administrator."""

    def __init__(self) -> None:
        super().__init__(
            409, "administrator_exists", "There already is an administrator; this makes only the first one."
        )


async def create_first_administrator(settings: DatabaseSettings, *, email: str, name: str, password: str) -> str:
    """Make the first administrator and return their `sub`; the database is migrated first.

    Raises ValueError for an e-mail or a name that cannot be, UnacceptablePassword, AdministratorExists, EmailTaken.
    """
    email = _checked("e-mail", normalise_email, email)
    name = _checked("name", normalise_name, name)
    check_new_password(password, email=email, name=name)
    database = Database.of(settings)
    try:
        await database.migrate("auth_service")
        password_hash = Passwords(threads=1, queue=0).hash(password)
        async with database.writing(exclusive="first_administrator") as connection:
            existing = await connection.execute(select(accounts.c.sub).where(accounts.c.administrator).limit(1))
            if existing.first():
                raise AdministratorExists
            account = await insert_account(
                connection,
                email=email,
                name=name,
                password_hash=password_hash,
                administrator=True,
                created_at=int(time.time()),
            )
    finally:
        await database.close()
    _log.info("first_administrator_created", sub=account.sub)
    return account.sub


def _checked(what: str, normalise: Callable[[str], str], written: str) -> str:
    try:
        return normalise(written)
    except ValueError as fault:
        raise ValueError(f"The {what} {fault}.") from None
