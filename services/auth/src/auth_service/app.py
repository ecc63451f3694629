"""The authorization server put together: the only place where its parts meet."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from auth_service.access_tokens import AccessTokens
from auth_service.accounts import Accounts
from auth_service.attempts import Attempts, Purpose
from auth_service.clients import Clients
from auth_service.endpoints.accounts import accounts_router
from auth_service.endpoints.administration import requires_recent_login
from auth_service.endpoints.key_administration import key_administration_router
from auth_service.endpoints.keys import keys_router
from auth_service.endpoints.logins import logins_router
from auth_service.endpoints.revocations import FEED_PATH, revocations_router
from auth_service.endpoints.tokens import TOKEN_PATH, tokens_router
from auth_service.logins import Logins
from auth_service.passwords import Passwords
from auth_service.revocation_feed import FeedFigures, RevocationFeed, RevocationNews
from auth_service.revocations import RevocationLog
from auth_service.scopes import OWN_RESOURCE
from auth_service.settings import Settings
from auth_service.signing_keys import KeyMaker, KeySchedule, KeyTimes, KeyTransitions, SigningKeys
from auth_service.token_exchange import TokenExchange
from service_chassis.database import Database
from service_chassis.fit_out import observe, take_json
from service_chassis.operations import OPERATIONS_ROUTES
from service_chassis.server import WAKE
from token_verification import AccessTokenVerifier, RemoteKeySet
from token_verification.fastapi import protect

PUBLIC_ROUTES = OPERATIONS_ROUTES | {
    "POST /register",
    "POST /login",
    f"POST {TOKEN_PATH}",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    f"GET {FEED_PATH}",
}
"""The routes that ask for no token. Whatever else is added asks for one that names auth. The feed is for services, and
not at the door."""


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
    key_transitions = KeyTransitions(
        database,
        log=revocation_log,
        signing_keys=signing_keys,
        maker=maker,
        key_encryption_key_file=settings.key_encryption_key_file,
        times=times,
        clock=clock,
    )
    key_schedule = KeySchedule(key_transitions, maker=maker, look_every=settings.key_trust_for, clock=clock)
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

    def attempts(purpose: Purpose) -> Attempts:
        return Attempts(
            database,
            purpose=purpose,
            per_account=settings.attempts_per_account,
            per_address=settings.attempts_per_address,
            window=settings.attempts_window,
            clock=clock,
        )

    accounts = Accounts(database, passwords=passwords, attempts=attempts("registration"), clock=clock)
    access_tokens = AccessTokens(signing_keys, issuer=settings.issuer, life=settings.access_token_life, clock=clock)
    logins = Logins(
        database,
        accounts=accounts,
        attempts=attempts("login"),
        passwords=passwords,
        access_tokens=access_tokens,
        resources=settings.resources,
    )

    # Proxies of the environment are for the way out, never for the way to our own services.
    http = httpx.AsyncClient(transport=network, trust_env=False, timeout=settings.client_key_set_deadline)
    clients = Clients(
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

    def verifier_for(audience: str) -> AccessTokenVerifier:
        return AccessTokenVerifier(
            issuer=settings.issuer,
            audience=audience,
            key_set=signing_keys,
            leeway=settings.leeway,
            max_life=settings.max_token_life,
            clock=clock,
        )

    exchange = TokenExchange(access_tokens, verifier_for=verifier_for, clock=clock)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        try:
            await database.migrate("auth_service")
            await signing_keys.open()
            async with http, clients, key_schedule.running(), feed, news.running(), revocation_log.pruning():
                yield {WAKE: news.end}
        finally:
            passwords.close()
            await database.close()

    app = FastAPI(title="Signet auth", version="0.1.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    # Found first: a thousand followers ask again at the same moment.
    app.include_router(revocations_router(feed, longest_wait=settings.feed_longest_wait))
    app.include_router(accounts_router(accounts, trust_forwarded=settings.trust_forwarded))
    app.include_router(logins_router(logins, trust_forwarded=settings.trust_forwarded))
    app.include_router(
        keys_router(
            signing_keys,
            issuer=settings.issuer,
            jwks_uri=settings.jwks_uri,
            token_endpoint=f"{settings.issuer}{TOKEN_PATH}",
            max_age=settings.key_set_max_age,
        )
    )
    app.include_router(tokens_router(clients, exchange))
    recent_login = requires_recent_login(max_age=settings.administrator_login_age, clock=clock)
    app.include_router(key_administration_router(key_transitions, recent_login=recent_login))
    take_json(app, forms={TOKEN_PATH})
    protect(app, verifier_for(OWN_RESOURCE), public=PUBLIC_ROUTES)
    readiness = {"database": database.ready, "signing_keys": signing_keys.ready, "revocations": news.ready}
    metrics = observe(app, readiness=readiness)
    metrics.registry.register(FeedFigures(feed, news))
    return app
