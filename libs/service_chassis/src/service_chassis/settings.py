"""Settings: read once from the environment, at the door, and frozen."""

import sys
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]
"""A duration in seconds."""

SomeSettings = TypeVar("SomeSettings", bound=BaseSettings)


class ProcessSettings(BaseSettings):
    """What every process needs to know: where it listens, and how much it says."""

    model_config = SettingsConfigDict(env_prefix="SIGNET_", frozen=True, extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class ServiceSettings(ProcessSettings):
    """What every service with a database of its own needs to know besides."""

    database_url: Annotated[str, Field(validation_alias="DATABASE_URL")]


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
