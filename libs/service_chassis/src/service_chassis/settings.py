"""Settings: read once from the environment, at the door, and frozen."""

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_chassis.database_url import checked_database_url

Seconds = Annotated[float, Field(gt=0)]
"""A duration in seconds."""

SomeSettings = TypeVar("SomeSettings", bound=BaseSettings)


def _usable(database_url: str) -> str:
    checked_database_url(database_url)
    return database_url


class ProcessSettings(BaseSettings):
    """What every process needs to know: where it listens, and how much it says."""

    model_config = SettingsConfigDict(env_prefix="SIGNET_", frozen=True, extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """How many processes serve. One core is worth one."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    server_timing: bool = False
    """Whether each answer says in `Server-Timing` what its time was spent on."""


class DatabaseSettings(BaseSettings):
    """What it takes to use a service's own database."""

    model_config = ProcessSettings.model_config

    database_url: Annotated[str, Field(validation_alias="DATABASE_URL", repr=False), AfterValidator(_usable)]
    """`sqlite+aiosqlite:////path/to/file.db` or `postgresql://user@host/database`, with `?sslmode=…` if need be."""
    database_password_file: Annotated[Path | None, Field(validation_alias="DATABASE_PASSWORD_FILE")] = None
    """Where PostgreSQL's password for this service lies, so that it stands in no URL."""
    database_pool_size: Annotated[int, Field(ge=1, le=100)] = 10
    """How many connections to PostgreSQL one process opens at most."""
    database_statement_timeout: Seconds = 2.5
    """How long PostgreSQL may take for one statement: less than the gateway waits for the whole answer."""

    @field_validator("database_password_file")
    @classmethod
    def _can_be_read(cls, file: Path | None) -> Path | None:
        try:
            if file is not None and not file.read_text().strip():
                raise ValueError("is empty")
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        return file


class SealedStorageSettings(DatabaseSettings):
    """What it takes to use the private keys in a service's database."""

    key_encryption_key_file: Path
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"


class ServiceSettings(ProcessSettings, DatabaseSettings):
    """What every service with a database of its own needs to know."""


def read_settings(kind: type[SomeSettings]) -> SomeSettings:
    """Read settings from the environment, or end the process with status 2 and a sentence for each fault."""
    try:
        return kind()
    except ValidationError as error:
        for fault in error.errors():
            field = ".".join(str(part) for part in fault["loc"]) or "(all)"
            name = field if field.isupper() else f"{kind.model_config.get('env_prefix', '')}{field}".upper()
            message = "is not set, and has no default" if fault["type"] == "missing" else fault["msg"]
            sys.stderr.write(f"{name}: {message}\n")
        sys.exit(2)
