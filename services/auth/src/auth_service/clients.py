"""The services that may ask for tokens: who they are, what they may ask for, and how they prove themselves."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from types import TracebackType
from typing import Annotated, Final, Self

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter
from sqlalchemy import delete, text

from auth_service.access_tokens import FIRST_PARTY_CLIENT
from auth_service.database import used_assertions
from auth_service.scopes import SCOPES
from auth_service.token_refusals import InvalidClient
from service_chassis.database import Database
from token_verification import RemoteKeySet
from token_verification.client_assertion import ClientAssertion, ClientAssertionVerifier, InvalidAssertion

_log = structlog.get_logger()
_URL: Final = TypeAdapter(HttpUrl)


def _no_first_party(client_id: str) -> str:
    if client_id == FIRST_PARTY_CLIENT:
        raise ValueError("is the client of logins with a password")
    return client_id


def _known_scope(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError(f"is not one of {', '.join(SCOPES)}")
    return scope


def _url(written: str) -> str:
    _URL.validate_python(written)
    return written


_Scope = Annotated[str, AfterValidator(_known_scope)]


class Service(BaseModel):
    """One row of the table of services."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$"), AfterValidator(_no_first_party)]
    audience: str
    """The resource server that this service is: a token that it wants to exchange must name it."""
    jwks_uri: Annotated[str, AfterValidator(_url)]
    """Where it publishes its client key, inside the system."""
    may_ask: Mapping[str, Annotated[tuple[_Scope, ...], Field(min_length=1)]]
    """The scopes it may ask for, by resource server."""

    def resources(self) -> set[str]:
        """Return every resource that is named here."""
        return {self.audience, *self.may_ask}


class Clients:
    """Knows a client by its assertion. A context manager: what was opened meanwhile is closed at its end."""

    def __init__(
        self,
        services: Iterable[Service],
        *,
        database: Database,
        key_set_of: Callable[[Service], RemoteKeySet],
        issuer: str,
        leeway: float,
        longest_life: float,
        clock: Callable[[], float],
    ) -> None:
        """`key_set_of`: makes a key set, not entered. `leeway`, `longest_life`: of assertions, in seconds."""
        self._services = {service.client_id: service for service in services}
        self._database = database
        self._key_set_of = key_set_of
        self._leeway = leeway
        self._longest_life = longest_life
        self._clock = clock
        self._prune_at = 0.0
        self._verifier = ClientAssertionVerifier(
            issuer=issuer, keys_of=self._keys_of, leeway=leeway, max_life=longest_life, clock=clock
        )
        self._key_sets: dict[str, RemoteKeySet] = {}
        self._opening = asyncio.Lock()
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open nothing yet: a client's keys are fetched when it first asks, so no start waits for another's."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop refreshing the key sets."""
        await self._opened.aclose()

    async def prove(self, assertion: str) -> Service:
        """Return the service that an assertion proves, and use the assertion up.

        Raises InvalidClient, KeysUnavailable while the client's key set cannot be had, StorageUnavailable.
        """
        try:
            verified = await self._verifier.verify(assertion)
        except InvalidAssertion as fault:
            _log.info("client_not_proved", reason=fault.reason, detail=fault.detail)
            raise InvalidClient from None
        if not await self._use(verified):
            _log.warning("client_assertion_used_again", client=verified.client_id)
            raise InvalidClient
        return self._services[verified.client_id]

    async def _keys_of(self, client_id: str) -> RemoteKeySet | None:
        if client_id not in self._services:
            return None
        async with self._opening:
            if client_id not in self._key_sets:
                key_set = self._key_set_of(self._services[client_id])
                # In a context of its own: what refreshes from now on belongs to no request, and logs as none.
                opening = self._opened.enter_async_context(key_set)
                self._key_sets[client_id] = await asyncio.create_task(opening, context=Context())
            return self._key_sets[client_id]

    async def _use(self, assertion: ClientAssertion) -> bool:
        """Remember an assertion for as long as it could be accepted; False if it is remembered already.

        A leeway longer than that: another replica's clock may be behind the one by which this one forgets.
        """
        await self._prune()
        used = hashlib.sha256(f"{assertion.client_id} {assertion.assertion_id}".encode()).digest()
        until = int(assertion.expires_at + 2 * self._leeway) + 1
        async with self._database.writing() as connection:
            return (await connection.execute(_USE, {"assertion": used, "until": until})).first() is not None

    async def _prune(self) -> None:
        now = int(self._clock())
        if now < self._prune_at:
            return
        self._prune_at = now + self._longest_life
        # One replica after the other: two would each wait for rows that the other is about to delete.
        async with self._database.writing(exclusive="used_assertions") as connection:
            await connection.execute(delete(used_assertions).where(used_assertions.c.until <= now))


# One statement decides, so that of two at once exactly one finds that it was first.
_USE = text(
    "INSERT INTO used_assertions (assertion, until) VALUES (:assertion, :until)"
    " ON CONFLICT (assertion) DO NOTHING RETURNING until"
)
