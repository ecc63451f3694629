"""What an operator can set. Durations are in seconds; the defaults are the protocol's."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from auth_service.clients import Service
from auth_service.scopes import RESOURCES
from service_chassis.settings import DatabaseSettings, Seconds, ServiceSettings
from token_verification.client_assertion import LONGEST_LIFE as LONGEST_ASSERTION_LIFE
from token_verification.revocation_answer import LIFE

WholeSeconds = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]


# An absolute URI without a fragment, as a resource indicator has to be. [RFC 8707 section 2, RFC 3986 section 4.3]
_Resource = Annotated[str, Field(max_length=200, pattern=r"^[a-z][a-z0-9+.-]*:[!$-;=?-Z_a-z~]+$")]


def _further(resources: tuple[str, ...]) -> tuple[str, ...]:
    if len({*resources, *RESOURCES}) != len(resources) + len(RESOURCES):
        raise ValueError(f"names one twice, or one of {', '.join(RESOURCES)}, which are there anyway")
    return resources


def _read_json(written: Any) -> Any:  # noqa: ANN401 -- before validation it may be anything
    if not isinstance(written, str):
        return written
    try:
        return json.loads(written)
    except ValueError:
        raise ValueError("is not JSON") from None


class Settings(ServiceSettings):
    """The settings of a serving process."""

    issuer: str
    """The public URL, as it stands in every token's `iss`."""
    key_encryption_key_file: Path
    """Where the 32 bytes lie under which private keys are stored; made at the first start, and never again."""
    signing_key_bits: Annotated[Literal[2048, 3072], BeforeValidator(int)] = 3072
    max_token_life: WholeSeconds = 600
    """Verifiers refuse a token that lives longer: so long, whatever was signed has to be reckoned with."""
    access_token_life: WholeSeconds = 300
    key_set_max_age: WholeSeconds = 300
    login_life: Seconds = 43_200.0
    """How long after a password was given its login ends, whatever its owner does."""
    refresh_idle_life: Seconds = 1800.0
    """How long a login goes on without a refresh."""
    refresh_grace: Annotated[float, Field(ge=0)] = 10.0
    """How long a refresh token that was used still is what its parent leads to: for tabs that refresh side by side."""
    refresh_every: Seconds = 10.0
    """How often a login can be refreshed, besides 200 times that it has in hand; then 429."""
    logins_per_account: Annotated[int, Field(ge=1, le=1000)] = 200
    """How many logins an account has that have not ended: another one ends that which was not used for longest."""
    administrator_login_age: Seconds = 900.0
    """How long after they gave their password an administrator may still use the endpoints of administration."""
    key_rotate_every: Seconds = 86400.0
    """How long a key signs; longer, where its successor has not been published for twice the key set's max age."""
    key_trust_for: Annotated[float, Field(gt=0, le=1)] = 0.5
    """For how long a process signs by what it has read of the keys, and how often it looks at least: a key that was
    compromised at another process signs so long at most."""

    further_resources: Annotated[
        tuple[_Resource, ...], NoDecode, BeforeValidator(_read_json), AfterValidator(_further)
    ] = ()
    """Resource servers besides Signet's own that a token can be for, as a JSON list of their identifiers."""
    services: Annotated[tuple[Service, ...], NoDecode, BeforeValidator(_read_json)] = ()
    """The services that may exchange their callers' tokens, as a JSON list; see `Service` for what each says."""
    client_assertion_life: Annotated[int, Field(ge=1, le=LONGEST_ASSERTION_LIFE)] = LONGEST_ASSERTION_LIFE
    """How long an assertion of a service may be good for: so long each one used is remembered."""
    leeway: Annotated[float, Field(ge=0)] = 5.0
    """How far a service's clock may be off, or another replica's."""
    client_key_set_max_age: Seconds = 300.0
    client_key_set_retry_first: Seconds = 1.0
    client_key_set_retry_last: Seconds = 30.0
    client_key_set_cooldown: Seconds = 10.0
    client_key_set_keep_for: Seconds = 3600.0
    client_key_set_deadline: Seconds = 3.0
    """These six mean, for the key sets of services, what the parameters of those names mean at RemoteKeySet."""

    feed_longest_wait: WholeSeconds = 30
    """How long a follower of the revocations can have its question wait for an answer."""
    feed_answer_life: Annotated[int, Field(ge=1, le=LIFE)] = LIFE
    """How much longer than it may have waited an answer is good for: for its way, and for clocks that differ."""
    feed_gathering: Seconds = 0.02
    """Between two answers to one follower, so that revocations that come together go out together."""
    feed_places: Annotated[int, Field(ge=1, le=100_000)] = 5000
    """How many may wait at one process; the next gets 503."""
    revocations_keep_for: Seconds = 60.0
    """How long a revocation is kept after nothing that it concerns could be accepted any more."""

    hashing_threads: Annotated[int, Field(ge=1, le=16)] = 1
    """Each does about 60 hashes a second and keeps 19 MiB."""
    hashing_queue: Annotated[int, Field(ge=0, le=1000)] = 64
    """How many requests may wait for a hashing thread before the next is told to come back."""

    attempts_window: WholeSeconds = 600
    attempts_per_account: Count = 10
    attempts_per_address: Count = 300
    """Generous: behind a published container port, all local users can share the bridge's address."""
    trust_forwarded: bool = True
    """Whether `Forwarded` tells the client's address. True, because only the gateway, which writes it anew, can reach
    this process; a process that anyone else can reach must not believe it."""

    @field_validator("issuer")
    @classmethod
    def _identify_an_issuer(cls, issuer: str) -> str:
        if fault := _fault_of_issuer(issuer):
            raise ValueError(fault)
        return issuer

    @field_validator("access_token_life")
    @classmethod
    def _be_accepted(cls, life: int, info: ValidationInfo) -> int:
        if life > (longest := info.data.get("max_token_life", life)):
            raise ValueError(f"is more than the {longest} s that verifiers allow")
        return life

    @field_validator("services")
    @classmethod
    def _tell_apart(cls, services: tuple[Service, ...], info: ValidationInfo) -> tuple[Service, ...]:
        known = (*RESOURCES, *info.data.get("further_resources", ()))
        if unknown := sorted(set().union(*(service.resources() for service in services)) - set(known)):
            raise ValueError(f"name {unknown[0]!r}, which is not one of {', '.join(known)}")
        for names in ([service.client_id for service in services], [service.audience for service in services]):
            if len(set(names)) != len(names):
                raise ValueError("name a client or an audience twice")
        return services

    @property
    def resources(self) -> tuple[str, ...]:
        """Every resource that a token can be for, all of them by default."""
        return (*RESOURCES, *self.further_resources)

    @property
    def jwks_uri(self) -> str:
        """Where the world finds the key set."""
        return f"{self.issuer}/.well-known/jwks.json"


class StorageSettings(DatabaseSettings):
    """What a command on the database needs to know, and no more."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"


class EndingSettings(StorageSettings):
    """What the command needs to know that ends all logins."""

    max_token_life: WholeSeconds = 600
    leeway: Annotated[float, Field(ge=0)] = 5.0


def _fault_of_issuer(issuer: str) -> str | None:
    """Say why a URL cannot identify an issuer. [RFC 8414 section 2; http on this machine alone is our exception]"""
    try:
        parts = urlsplit(issuer)
        is_url = bool(parts.hostname) and parts.port != 0 and issuer.isascii() and issuer.isprintable()
    except ValueError:
        return "is not a URL"
    if not is_url or " " in issuer:
        return "is not an absolute URL"
    local = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    faults = {
        "must have no query, no fragment and no user": not {"?", "#", "@"}.isdisjoint(issuer),
        # With a path, the metadata would have to lie elsewhere than where it is served. [RFC 8414 section 3.1]
        "must have no path and no slash at its end": bool(parts.path),
        "must be https, or http on localhost, 127.0.0.1 or [::1]": parts.scheme != "https" and not local,
        "must be in lower case, for it is compared letter by letter": issuer != issuer.lower(),
    }
    return next((sentence for sentence, holds in faults.items() if holds), None)
