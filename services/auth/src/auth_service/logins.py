"""Logins: from an e-mail and a password to an access token."""

import secrets
from collections.abc import Sequence

import structlog

from auth_service.access_tokens import AccessTokens, IssuedToken
from auth_service.accounts import Account, Accounts, replace_hash
from auth_service.attempts import Attempts, email_pseudonym
from auth_service.passwords import Passwords
from auth_service.scopes import RESOURCES, InvalidScope, check_scopes_exist, choose_audience, grant_scopes
from service_chassis.database import Database
from service_chassis.problems import Problem

_log = structlog.get_logger()


class WrongCredentials(Problem):
    """No such account or not its password: nobody learns which. [RFC 9110 section 15.5.2 wants a challenge]"""

    def __init__(self) -> None:
        super().__init__(
            401,
            "wrong_credentials",
            "The e-mail or the password is wrong.",
            headers={"WWW-Authenticate": 'Bearer realm="signet"'},
        )


class Logins:
    """Starts logins."""

    def __init__(
        self,
        database: Database,
        *,
        accounts: Accounts,
        attempts: Attempts,
        passwords: Passwords,
        access_tokens: AccessTokens,
        resources: Sequence[str] = RESOURCES,
    ) -> None:
        """`resources` are those that a token can be for."""
        self._database = database
        self._accounts = accounts
        self._attempts = attempts
        self._passwords = passwords
        self._access_tokens = access_tokens
        self._resources = resources

    async def log_in(
        self,
        *,
        email: str,
        password: str,
        address: str,
        resources: Sequence[str] | None = None,
        scopes: Sequence[str] | None = None,
    ) -> IssuedToken:
        """Return a token for the account with this normalised e-mail; `address` is the client's.

        Raises WrongCredentials, TooManyAttempts, Overloaded, InvalidTarget, InvalidScope. An unknown e-mail goes the
        way of a wrong password, step by step: the same counters, the same query, the same hashing, the same answer.
        """
        audience = choose_audience(resources, known=self._resources)
        check_scopes_exist(scopes or ())
        self._attempts.refuse_exhausted(email=email, address=address)
        with self._passwords.place():
            await self._attempts.count(email=email, address=address)
            account = await self._accounts.find(email)
            try:
                newer_hash = await self._passwords.run(lambda: self._prove(account, password))
                assert account is not None  # noqa: S101 -- nobody's password is never right
                granted = grant_scopes(scopes, administrator=account.administrator)
            except (WrongCredentials, InvalidScope) as refusal:
                _log.info("login_failed", account=email_pseudonym(email), reason=refusal.reason)
                raise
        token = await self._access_tokens.issue(
            sub=account.sub,
            name=account.name,
            sid=secrets.token_hex(16),
            audience=audience,
            scopes=granted,
        )
        async with self._database.writing() as connection:
            await self._attempts.forgive(connection, email)
            if newer_hash:
                await replace_hash(connection, account, newer_hash)
        _log.info("login_succeeded", sub=account.sub)
        return token

    def _prove(self, account: Account | None, password: str) -> str | None:
        """Verify the password, and hash it anew if need be: what takes a thread's time."""
        right = self._passwords.verify(password, account.password_hash if account else None)
        if account is None or not right:
            raise WrongCredentials
        return self._passwords.hash(password) if self._passwords.is_outdated(account.password_hash) else None
