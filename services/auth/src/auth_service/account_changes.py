"""What changes an account and ends logins of it: another password, and being disabled."""

from collections.abc import Callable

import structlog
from sqlalchemy import and_, update

from auth_service.accounts import Account, Accounts, hold_account
from auth_service.attempts import Attempts
from auth_service.database import accounts, logins
from auth_service.open_logins import Ended, end_logins
from auth_service.passwords import Passwords, check_new_password
from auth_service.revocations import RevocationKind, RevocationLog
from service_chassis.problems import Problem

_log = structlog.get_logger()


class WrongPassword(Problem):
    """The present password was asked for, and this is not it. Not 401: the token is good, and worth keeping."""

    def __init__(self) -> None:
        super().__init__(403, "wrong_password", "The current password is wrong.")


class NoSuchAccount(Problem):
    """Nobody has this subject."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "There is no account of that subject.")


class OwnAccount(Problem):
    """An administrator who could disable themselves could leave nobody who enables anyone."""

    def __init__(self) -> None:
        super().__init__(409, "own_account", "Nobody can disable their own account.")


class AccountChanges:
    """Changes accounts, each in one transaction with the logins that end by it."""

    def __init__(
        self,
        log: RevocationLog,
        *,
        all_accounts: Accounts,
        attempts: Attempts,
        passwords: Passwords,
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._accounts = all_accounts
        self._attempts = attempts
        self._passwords = passwords
        self._clock = clock

    async def change_password(self, *, sub: str, sid: str, current: str, new: str, address: str) -> Ended:
        """Give somebody another password, and end their logins but for `sid`, from which they ask.

        Raises UnacceptablePassword, WrongPassword, TooManyAttempts (counted together with logins), Overloaded.
        """
        account = await self._accounts.of(sub)
        check_new_password(new, email=account.email, name=account.name, field="new_password")
        self._attempts.refuse_exhausted(email=account.email, address=address)
        with self._passwords.place():
            await self._attempts.count(email=account.email, address=address)
            password_hash = await self._passwords.run(lambda: self._replaced(account, current, new))
        async with self._log.writing() as connection:
            await self._attempts.forgive(connection, account.email)
            held = await hold_account(connection, sub)
            if held is None or held.disabled or held.password_changes != account.password_changes:
                raise WrongPassword  # it was right when it was verified, and no more
            of_account = accounts.c.sub == sub
            values = {"password_hash": password_hash, "password_changes": account.password_changes + 1}
            await connection.execute(update(accounts).where(of_account).values(values))
            others = and_(logins.c.sub == sub, logins.c.sid != sid)
            ended = await end_logins(connection, others, now=self._clock())
            seq = await self._log.append(connection, RevocationKind.LOGIN, ended)
        _log.info("password_changed", sub=sub, ended=len(ended))
        return Ended(len(ended), seq)

    async def disable(self, sub: str, *, by: str) -> Ended:
        """End all logins of an account, and let it begin none. Once more changes nothing.

        Raises OwnAccount, NoSuchAccount.
        """
        if sub == by:
            raise OwnAccount
        now = self._clock()
        async with self._log.writing() as connection:
            if await hold_account(connection, sub) is None:
                raise NoSuchAccount
            not_yet = and_(accounts.c.sub == sub, accounts.c.disabled_at.is_(None))
            await connection.execute(update(accounts).where(not_yet).values(disabled_at=int(now)))
            ended = await end_logins(connection, logins.c.sub == sub, now=now)
            seq = await self._log.append(connection, RevocationKind.LOGIN, ended)
        _log.info("account_disabled", sub=sub, by=by, ended=len(ended))
        return Ended(len(ended), seq)

    async def enable(self, sub: str, *, by: str) -> None:
        """Let an account begin logins again; those that were ended stay so. Raises NoSuchAccount."""
        async with self._log.writing() as connection:
            if await hold_account(connection, sub) is None:
                raise NoSuchAccount
            await connection.execute(update(accounts).where(accounts.c.sub == sub).values(disabled_at=None))
        _log.info("account_enabled", sub=sub, by=by)

    def _replaced(self, account: Account, current: str, new: str) -> str:
        if not self._passwords.verify(current, account.password_hash):
            raise WrongPassword
        return self._passwords.hash(new)
