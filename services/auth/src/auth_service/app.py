"""The authorization server put together: the only place where its parts meet."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from auth_service.access_tokens import AccessTokens
from auth_service.account_changes import AccountChanges
from auth_service.accounts import Accounts
from auth_service.attempts import Attempts, Purpose
from auth_service.clients import Clients
from auth_service.endpoints.account_administration import account_administration_router
from auth_service.endpoints.accounts import accounts_router
from auth_service.endpoints.administration import requires_recent_login
from auth_service.endpoints.key_administration import key_administration_router
from auth_service.endpoints.keys import keys_router
from auth_service.endpoints.logins import logins_router
from auth_service.endpoints.open_logins import open_logins_router
from auth_service.endpoints.overload import refuse_when_full
from auth_service.endpoints.passwords import passwords_router
from auth_service.endpoints.revocations import FEED_PATH, serve_feed
from auth_service.endpoints.token_revocation import REVOCATION_PATH, token_revocation_router
from auth_service.endpoints.tokens import TOKEN_PATH, tokens_router
from auth_service.logins import Logins
from auth_service.open_logins import OpenLogins
from auth_service.own_tokens import OwnTokens
from auth_service.passwords import Passwords
from auth_service.refresh_key import RefreshKey
from auth_service.refresh_tokens import RefreshTokens
from auth_service.revocation_feed import FeedFigures, RevocationFeed, RevocationNews
from auth_service.revocations import RevocationLog
from auth_service.scopes import OWN_RESOURCE
from auth_service.settings import Settings
from auth_service.signing_keys import KeyMaker, KeySchedule, KeyTimes, KeyTransitions, SigningKeys
from auth_service.token_exchange import TokenExchange
from auth_service.token_revocation import TokenRevocation
from service_chassis.database import Database
from service_chassis.fit_out import observe, take_json
from service_chassis.operations import OPERATIONS_ROUTES
from service_chassis.server import WAKE
from token_verification import AccessTokenVerifier, RemoteKeySet
from token_verification.fastapi import protect

PUBLIC_ROUTES = OPERATIONS_ROUTES | {
    "POST /register",
    "POST /login",
    "POST /refresh",
    "POST /logout",
    f"POST {REVOCATION_PATH}",
    f"POST {TOKEN_PATH}",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    f"GET {FEED_PATH}",
}
"""The routes that ask for no token. Whatever else is added asks for one that names auth. The feed is for services, and
not at the door. `POST /logout` verifies its token itself, or takes a refresh token: a login can be ended after its
access token has expired."""


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], float] = time.time,
    hasher: PasswordHasher | None = None,
    network: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """Return the application.

    `clock` is seconds since the epoch; `hasher` the Argon2id parameters, if others; `network` carries the fetches of
    services' keys, the real one by default.
    """
    database = Database.of(settings)
    revocation_log = RevocationLog(
        database,
        remember_for=settings.max_token_life + settings.leeway,
        keep_for=settings.revocations_keep_for,
        clock=clock,
    )
    signing_keys, key_transitions, key_schedule = _signing(settings, database, revocation_log, clock=clock)
    news = RevocationNews(revocation_log, gathering=settings.feed_gathering, places=settings.feed_places)
    feed = RevocationFeed(
        revocation_log,
        news,
        signing_keys,
        issuer=settings.issuer,
        answer_life=settings.feed_answer_life,
        clock=clock,
    )
    passwords = Passwords(threads=settings.hashing_threads, queue=settings.hashing_queue, hasher=hasher)
    login_attempts = _attempts(settings, database, "login", clock=clock)
    registrations = _attempts(settings, database, "registration", clock=clock)
    accounts = Accounts(database, passwords=passwords, attempts=registrations, clock=clock)
    access_tokens = AccessTokens(signing_keys, issuer=settings.issuer, life=settings.access_token_life, clock=clock)
    refresh_key = RefreshKey(database, key_encryption_key_file=settings.key_encryption_key_file)
    refresh_tokens = RefreshTokens(
        database,
        revocation_log,
        refresh_key,
        idle_life=settings.refresh_idle_life,
        grace=settings.refresh_grace,
        every=settings.refresh_every,
        clock=clock,
    )
    open_logins = OpenLogins(
        database,
        revocation_log,
        life=settings.login_life,
        idle_life=settings.refresh_idle_life,
        most=settings.logins_per_account,
        clock=clock,
    )
    account_changes = AccountChanges(
        revocation_log, all_accounts=accounts, attempts=login_attempts, passwords=passwords, clock=clock
    )
    logins = Logins(
        accounts=accounts,
        attempts=login_attempts,
        passwords=passwords,
        access_tokens=access_tokens,
        open_logins=open_logins,
        refresh_tokens=refresh_tokens,
        clock=clock,
        resources=settings.resources,
    )

    # Proxies of the environment are for the way out, never for the way to our own services.
    http = httpx.AsyncClient(transport=network, trust_env=False, timeout=settings.client_key_set_deadline)
    clients = _clients(settings, database, http, clock=clock)

    def verifier_for(audience: str) -> OwnTokens:
        verifier = AccessTokenVerifier(
            issuer=settings.issuer,
            audience=audience,
            key_set=signing_keys,
            leeway=settings.leeway,
            max_life=settings.max_token_life,
            clock=clock,
        )
        return OwnTokens(verifier, database)

    own_tokens = verifier_for(OWN_RESOURCE)
    recent_login = requires_recent_login(max_age=settings.administrator_login_age, clock=clock)
    revocation = TokenRevocation(revocation_log, open_logins=open_logins, verifier_for=verifier_for)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        try:
            await database.migrate("auth_service")
            await signing_keys.open()
            await refresh_key.open()
            async with (
                http,
                clients,
                key_schedule.running(),
                feed,
                news.running(),
                revocation_log.pruning(),
                open_logins.pruning(),
            ):
                yield {WAKE: news.end}
        finally:
            passwords.close()
            await database.close()

    app = FastAPI(title="Signet auth", version="0.1.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(accounts_router(accounts, trust_forwarded=settings.trust_forwarded))
    app.include_router(logins_router(logins, trust_forwarded=settings.trust_forwarded))
    app.include_router(open_logins_router(open_logins, own_tokens))
    app.include_router(passwords_router(account_changes, trust_forwarded=settings.trust_forwarded))
    app.include_router(account_administration_router(account_changes, recent_login=recent_login))
    app.include_router(
        keys_router(
            signing_keys,
            issuer=settings.issuer,
            jwks_uri=settings.jwks_uri,
            token_endpoint=f"{settings.issuer}{TOKEN_PATH}",
            revocation_endpoint=f"{settings.issuer}{REVOCATION_PATH}",
            max_age=settings.key_set_max_age,
        )
    )
    app.include_router(
        tokens_router(clients, TokenExchange(access_tokens, verifier_for=verifier_for, clock=clock), logins)
    )
    app.include_router(token_revocation_router(clients, revocation))
    app.include_router(key_administration_router(key_transitions, recent_login=recent_login))
    take_json(app, forms={TOKEN_PATH, REVOCATION_PATH})
    protect(app, own_tokens, public=PUBLIC_ROUTES)
    serve_feed(app, feed, longest_wait=settings.feed_longest_wait)
    refuse_when_full(app, passwords, clock=clock)
    metrics = observe(
        app,
        readiness={"database": database.ready, "signing_keys": signing_keys.ready, "revocations": news.ready},
        timed_as="auth" if settings.server_timing else None,
    )
    metrics.registry.register(FeedFigures(feed, news))
    return app


def _signing(
    settings: Settings, database: Database, log: RevocationLog, *, clock: Callable[[], float]
) -> tuple[SigningKeys, KeyTransitions, KeySchedule]:
    maker = KeyMaker(settings.signing_key_bits)
    times = KeyTimes(
        max_age=settings.key_set_max_age,
        max_token_life=settings.max_token_life,
        leeway=settings.leeway,
        rotate_every=settings.key_rotate_every,
    )
    signing_keys = SigningKeys(
        database,
        key_encryption_key_file=settings.key_encryption_key_file,
        maker=maker,
        times=times,
        trust_for=settings.key_trust_for,
        clock=clock,
    )
    transitions = KeyTransitions(
        database,
        log=log,
        signing_keys=signing_keys,
        maker=maker,
        key_encryption_key_file=settings.key_encryption_key_file,
        times=times,
        clock=clock,
    )
    schedule = KeySchedule(transitions, maker=maker, look_every=settings.key_trust_for, clock=clock)
    return signing_keys, transitions, schedule


def _attempts(settings: Settings, database: Database, purpose: Purpose, *, clock: Callable[[], float]) -> Attempts:
    return Attempts(
        database,
        purpose=purpose,
        per_account=settings.attempts_per_account,
        per_address=settings.attempts_per_address,
        window=settings.attempts_window,
        clock=clock,
    )


def _clients(settings: Settings, database: Database, http: httpx.AsyncClient, *, clock: Callable[[], float]) -> Clients:
    return Clients(
        settings.services,
        database=database,
        key_set_of=lambda service: RemoteKeySet(
            service.jwks_uri,
            issuer=service.client_id,
            http=http,
            default_max_age=settings.client_key_set_max_age,
            retry_first=settings.client_key_set_retry_first,
            retry_last=settings.client_key_set_retry_last,
            cooldown=settings.client_key_set_cooldown,
            keep_for=settings.client_key_set_keep_for,
            deadline=settings.client_key_set_deadline,
        ),
        issuer=settings.issuer,
        leeway=settings.leeway,
        longest_life=settings.client_assertion_life,
        clock=clock,
    )
