"""Logins: from an e-mail and a password to tokens, and from those to the next."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from auth_service.access_tokens import AccessTokens, IssuedToken
from auth_service.accounts import Account, Accounts, hold_account, replace_hash
from auth_service.attempts import Attempts, email_pseudonym
from auth_service.open_logins import OpenLogins
from auth_service.passwords import Passwords
from auth_service.refresh_tokens import RefreshTokens
from auth_service.scopes import RESOURCES, InvalidScope, check_scopes_exist, choose_audience, grant_scopes
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


@dataclass(frozen=True)
class IssuedTokens:
    """What a client gets for a login: a token to show, and one to get the next by.

    `refresh_expires_in`: seconds until the latter leads nowhere, unless it is used before.
    """

    access: IssuedToken
    refresh_token: str
    refresh_expires_in: int


class Logins:
    """Starts logins, and goes on with them."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        attempts: Attempts,
        passwords: Passwords,
        access_tokens: AccessTokens,
        open_logins: OpenLogins,
        refresh_tokens: RefreshTokens,
        clock: Callable[[], float],
        resources: Sequence[str] = RESOURCES,
    ) -> None:
        """`resources` are those that a token can be for; `clock` is seconds since the epoch."""
        self._accounts = accounts
        self._attempts = attempts
        self._passwords = passwords
        self._access_tokens = access_tokens
        self._open_logins = open_logins
        self._refresh_tokens = refresh_tokens
        self._clock = clock
        self._resources = resources

    async def log_in(
        self,
        *,
        email: str,
        password: str,
        address: str,
        device: str,
        resources: Sequence[str] | None = None,
        scopes: Sequence[str] | None = None,
    ) -> IssuedTokens:
        """Begin a login of the account with this normalised e-mail; `address` and `device` are the client's.

        Raises WrongCredentials, TooManyAttempts, Overloaded, InvalidTarget, InvalidScope. An unknown e-mail goes the
        way of a wrong password, step by step: the same counters, the same query, the same hashing, the same answer;
        and so does an account that is disabled, whatever the password.
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
        sid, now = secrets.token_hex(16), self._clock()
        access = await self._access_tokens.issue(
            sub=account.sub,
            name=account.name,
            sid=sid,
            audience=audience,
            scopes=granted,
            auth_time=int(now),
            login_ends_at=now + self._open_logins.life,
        )
        async with self._open_logins.beginning() as connection:
            await self._attempts.forgive(connection, email)
            held = await hold_account(connection, account.sub)
            if held is None or held.disabled or held.password_changes != account.password_changes:
                raise WrongCredentials  # it was right when it was verified, and no more
            if newer_hash:
                await replace_hash(connection, account, newer_hash)
            await self._open_logins.begin(
                connection,
                sid=sid,
                sub=account.sub,
                device=device,
                address=address,
                audience=audience,
                scope=access.scope,
                now=now,
            )
            refresh_token = await self._refresh_tokens.first(connection, sid)
            await self._open_logins.make_room(connection, account.sub, beside=sid, now=now)
        _log.info("login_succeeded", sub=account.sub, sid=sid)
        return IssuedTokens(access, refresh_token, self._open_logins.unused_life(now + self._open_logins.life))

    async def refresh(self, refresh_token: str, *, scopes: Sequence[str] | None = None) -> IssuedTokens:
        """Go on with a login: its next tokens for its present refresh token, and for nothing more than it began with.

        Raises InvalidGrant, TokenRefusal with invalid_scope, StorageUnavailable.
        """
        refreshed = await self._refresh_tokens.use(refresh_token, scopes=scopes)
        access = await self._access_tokens.issue(
            sub=refreshed.account.sub,
            name=refreshed.account.name,
            sid=refreshed.sid,
            audience=refreshed.audience,
            scopes=refreshed.scopes,
            auth_time=refreshed.auth_time,
            login_ends_at=refreshed.ends_at,
        )
        return IssuedTokens(access, refreshed.refresh_token, self._open_logins.unused_life(refreshed.ends_at))

    def _prove(self, account: Account | None, password: str) -> str | None:
        """Verify the password, and return a newer hash of it if there should be one."""
        right = self._passwords.verify(password, account.password_hash if account else None)
        if account is None or account.disabled or not right:
            raise WrongCredentials
        return self._passwords.hash(password) if self._passwords.is_outdated(account.password_hash) else None
