"""The authorization server put together: the only place where its parts meet."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable

from argon2 import PasswordHasher
from fastapi import FastAPI

from auth_service.access_tokens import AccessTokens
from auth_service.accounts import Accounts
from auth_service.attempts import Attempts
from auth_service.endpoints.accounts import accounts_router
from auth_service.endpoints.keys import keys_router
from auth_service.endpoints.logins import logins_router
from auth_service.logins import Logins
from auth_service.passwords import Passwords
from auth_service.settings import LONGEST_ACCESS_TOKEN_LIFE, Settings
from auth_service.signing_keys import SigningKeys
from service_chassis.database import Database
from service_chassis.fit_out import observe, take_json
from service_chassis.operations import OPERATIONS_ROUTES
from token_verification import AccessTokenVerifier
from token_verification.fastapi import protect

PUBLIC_ROUTES = OPERATIONS_ROUTES | {
    "POST /register",
    "POST /login",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
}
"""The routes that ask for no token. Whatever else is added asks for one that names auth."""


def create_app(
    settings: Settings, *, clock: Callable[[], float] = time.time, hasher: PasswordHasher | None = None
) -> FastAPI:
    """Return the application. `clock` is seconds since the epoch; `hasher` the Argon2id parameters, if others."""
    database = Database.of(settings)
    signing_keys = SigningKeys(
        database,
        key_encryption_key_file=settings.key_encryption_key_file,
        bits=settings.signing_key_bits,
        clock=clock,
    )
    passwords = Passwords(threads=settings.hashing_threads, queue=settings.hashing_queue, hasher=hasher)
    attempts = Attempts(
        database,
        per_account=settings.attempts_per_account,
        per_address=settings.attempts_per_address,
        window=settings.attempts_window,
        clock=clock,
    )
    accounts = Accounts(database, passwords=passwords, attempts=attempts, clock=clock)
    access_tokens = AccessTokens(signing_keys, issuer=settings.issuer, life=settings.access_token_life, clock=clock)
    logins = Logins(database, accounts=accounts, attempts=attempts, passwords=passwords, access_tokens=access_tokens)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await database.migrate("auth_service")
            await signing_keys.open()
            yield
        finally:
            passwords.close()
            await database.close()

    app = FastAPI(title="Signet auth", version="0.1.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(accounts_router(accounts, trust_forwarded=settings.trust_forwarded))
    app.include_router(logins_router(logins, trust_forwarded=settings.trust_forwarded))
    app.include_router(
        keys_router(signing_keys, issuer=settings.issuer, jwks_uri=settings.jwks_uri, max_age=settings.key_set_max_age)
    )
    take_json(app)
    verifier = AccessTokenVerifier(
        issuer=settings.issuer,
        audience="urn:signet:auth",
        key_set=signing_keys,
        max_life=LONGEST_ACCESS_TOKEN_LIFE,
        clock=clock,
    )
    protect(app, verifier, public=PUBLIC_ROUTES)
    observe(app, readiness={"database": database.ready, "signing_keys": signing_keys.ready})
    return app
