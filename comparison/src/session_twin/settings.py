"""What the session twin has to know before it starts, from the environment (prefix SIGNET_, but DATABASE_URL)."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from service_chassis.settings import Seconds, ServiceSettings


class Settings(ServiceSettings):
    """Durations are in seconds. The database holds accounts, profiles and orders, wherever sessions are kept."""

    session_store: Literal["memory", "sqlite", "valkey"] = "memory"
    """Where sessions are kept: in this process, in the database, or in a server that speaks the Redis protocol."""
    session_store_url: Annotated[str | None, Field(validate_default=True, repr=False)] = None
    """`redis://host:port/0`, for `valkey` alone."""
    session_idle_life: Seconds = 1800.0
    """How long a session lives that nobody uses: as long as an idle refresh token."""
    session_absolute_life: Seconds = 43200.0
    """How long a session lives at most: as long as a login."""
    hashing_threads: Annotated[int, Field(ge=1, le=16)] = 1
    hashing_queue: Annotated[int, Field(ge=0, le=1000)] = 64

    @field_validator("session_store_url")
    @classmethod
    def _valkey_is_somewhere(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("session_store") == "valkey":
            raise ValueError("is not set, and SIGNET_SESSION_STORE=valkey needs it")
        return value
