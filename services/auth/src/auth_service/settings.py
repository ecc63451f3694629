"""What an operator can set. Durations are in seconds; the defaults are the protocol's."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from service_chassis.settings import DatabaseSettings, ServiceSettings

WholeSeconds = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]

LONGEST_ACCESS_TOKEN_LIFE = 600
"""Verifiers refuse a token that lives longer, in seconds."""


class Settings(ServiceSettings):
    """The settings of a serving process."""

    issuer: str
    """The public URL, as it stands in every token's `iss`."""
    key_encryption_key_file: Path
    """Where the 32 bytes lie under which private keys are stored; made at the first start, and never again."""
    signing_key_bits: Annotated[Literal[2048, 3072], BeforeValidator(int)] = 3072
    access_token_life: Annotated[int, Field(ge=1, le=LONGEST_ACCESS_TOKEN_LIFE)] = 300
    key_set_max_age: WholeSeconds = 300

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

    @property
    def jwks_uri(self) -> str:
        """Where the world finds the key set."""
        return f"{self.issuer}/.well-known/jwks.json"


class StorageSettings(DatabaseSettings):
    """What a command on the database needs to know, and no more."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"


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
