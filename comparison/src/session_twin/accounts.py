"""Accounts: auth's rules for e-mails, names and passwords, and its way of hashing, so that a log-in costs the same."""

import secrets
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from auth_service.accounts import EmailTaken
from auth_service.passwords import Passwords, check_new_password
from service_chassis.database import Database
from service_chassis.problems import Problem
from session_twin import database as tables


class BadCredentials(Problem):
    """E-mail and password do not belong together; which of them is wrong is not said."""

    def __init__(self) -> None:
        super().__init__(401, "bad_credentials", "E-mail and password do not belong together.")


@dataclass(frozen=True)
class Account:
    """Somebody who can log in."""

    sub: str
    email: str
    name: str


class Accounts:
    """The accounts in the database. Every method raises StorageUnavailable when that cannot be used."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def register(self, *, email: str, password: str, name: str) -> Account:
        """Make an account. Raises UnacceptablePassword, EmailTaken, Overloaded."""
        check_new_password(password, email=email, name=name)
        with self._passwords.place():
            hashed = await self._passwords.run(lambda: self._passwords.hash(password))
        account = Account(secrets.token_hex(16), email, name)
        async with self._database.writing() as connection:
            try:
                await connection.execute(insert(tables.accounts).values(**vars(account), password_hash=hashed))
            except IntegrityError:
                raise EmailTaken from None
        return account

    async def with_credentials(self, *, email: str, password: str) -> Account:
        """Return whose credentials these are, in the same time for nobody's. Raises BadCredentials, Overloaded."""
        with self._passwords.place():
            async with self._database.reading() as connection:
                found = await connection.execute(select(tables.accounts).where(tables.accounts.c.email == email))
                row = found.mappings().one_or_none()
            stored = row["password_hash"] if row is not None else None
            good = await self._passwords.run(lambda: self._passwords.verify(password, stored))
        if row is None or not good:
            raise BadCredentials
        return Account(row["sub"], row["email"], row["name"])
