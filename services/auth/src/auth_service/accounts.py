"""Accounts: who there is, by what e-mail, and how one comes to be."""

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import email_validator
import structlog
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_service.attempts import Attempts
from auth_service.database import accounts
from auth_service.passwords import Passwords, check_new_password
from service_chassis.database import Database
from service_chassis.problems import Problem

_log = structlog.get_logger()

LONGEST_EMAIL = 254
LONGEST_NAME = 100

# Joiners between letters: Persian names and some emoji are not written without them.
_JOINERS = "\u200c\u200d"


class EmailTaken(Problem):
    """The e-mail already has an account."""

    def __init__(self) -> None:
        super().__init__(409, "email_taken", "There already is an account with this e-mail.")


@dataclass(frozen=True)
class Account:
    """A person who can log in; `sub` is the opaque subject of their tokens."""

    sub: str
    email: str
    name: str
    password_hash: str
    administrator: bool
    disabled: bool = False
    password_changes: int = 0


def normalise_email(written: str) -> str:
    """Return the one spelling of an e-mail address that accounts are found by. Raises ValueError.

    Unicode compatibility forms and letter case make no difference in the local part: nobody wants to share a mailbox's
    name with somebody who differs in that alone. The domain is spelt as IDNA 2008 does, in Unicode, in which faß.de
    and fass.de are two. [RFC 5891; UTS #46, non-transitional]
    """
    local_part, _, domain = written.rpartition("@")
    folded = f"{_folded(local_part)}@{domain}"
    try:
        address = email_validator.validate_email(folded, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError:
        raise ValueError("is not an e-mail address") from None  # the library's own sentence repeats what was written
    normalised = address.normalized
    if len(normalised) > LONGEST_EMAIL:
        raise ValueError("is not an e-mail address")
    return normalised


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def normalise_name(written: str) -> str:
    """Return a name without space around it, 1 to 100 characters that can be shown. Raises ValueError."""
    name = unicodedata.normalize("NFC", written).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"must have 1 to {LONGEST_NAME} characters")
    if not all(character.isprintable() or character in _JOINERS for character in name):
        raise ValueError("must be text that can be shown, without control characters")
    return name


class Accounts:
    """The accounts in the database."""

    def __init__(
        self, database: Database, *, passwords: Passwords, attempts: Attempts, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._attempts = attempts
        self._clock = clock

    async def register(self, *, email: str, name: str, password: str, address: str) -> Account:
        """Make an account of an ordinary person; e-mail and name are normalised already.

        Raises UnacceptablePassword, EmailTaken, TooManyAttempts, Overloaded.
        """
        check_new_password(password, email=email, name=name)
        self._attempts.refuse_exhausted(email=email, address=address)
        with self._passwords.place():
            await self._attempts.count(email=email, address=address)
            password_hash = await self._passwords.run(lambda: self._passwords.hash(password))
        async with self._database.writing() as connection:
            account = await insert_account(
                connection,
                email=email,
                name=name,
                password_hash=password_hash,
                administrator=False,
                created_at=int(self._clock()),
            )
        _log.info("account_registered", sub=account.sub)
        return account

    async def of(self, sub: str) -> Account:
        """Return the account of a subject that a verified token names."""
        async with self._database.reading() as connection:
            return Account(*(await connection.execute(_ACCOUNT.where(accounts.c.sub == sub))).one())

    async def find(self, email: str) -> Account | None:
        """Return the account with this normalised e-mail."""
        async with self._database.reading() as connection:
            found = await connection.execute(_ACCOUNT.where(accounts.c.email == email))
            row = found.first()
        return Account(*row) if row else None


async def account_of(connection: AsyncConnection, sub: str) -> Account | None:
    """Return the account of a subject, within a transaction."""
    row = (await connection.execute(_ACCOUNT.where(accounts.c.sub == sub))).first()
    return Account(*row) if row else None


async def hold_account(connection: AsyncConnection, sub: str) -> Account | None:
    """Return the account of a subject, and let nobody else change it, or begin or end all of its logins, meanwhile."""
    held = _ACCOUNT.where(accounts.c.sub == sub).with_for_update(key_share=True)
    row = (await connection.execute(held)).first()
    return Account(*row) if row else None


async def replace_hash(connection: AsyncConnection, account: Account, password_hash: str) -> None:
    """Store a newer hash of the same password, unless the password has been changed meanwhile."""
    unchanged = (accounts.c.sub == account.sub) & (accounts.c.password_hash == account.password_hash)
    await connection.execute(update(accounts).where(unchanged).values(password_hash=password_hash))


async def insert_account(
    connection: AsyncConnection, *, email: str, name: str, password_hash: str, administrator: bool, created_at: int
) -> Account:
    """Make an account inside a transaction; e-mail and name are normalised already. Raises EmailTaken."""
    account = Account(secrets.token_hex(16), email, name, password_hash, administrator)
    inserted = await connection.execute(_INSERT, vars(account) | {"created_at": created_at})
    if inserted.first() is None:
        raise EmailTaken
    return account


_ACCOUNT = select(
    accounts.c.sub,
    accounts.c.email,
    accounts.c.name,
    accounts.c.password_hash,
    accounts.c.administrator,
    accounts.c.disabled_at.is_not(None),
    accounts.c.password_changes,
)

# The constraint decides whether an e-mail is free, so that two registrations at once cannot both find it so.
_INSERT = text(
    "INSERT INTO accounts (sub, email, name, password_hash, administrator, created_at)"
    " VALUES (:sub, :email, :name, :password_hash, :administrator, :created_at)"
    " ON CONFLICT (email) DO NOTHING RETURNING sub"
)
