"""What orders has to know before it starts: read once from the environment (prefix SIGNET_, but DATABASE_URL)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from service_chassis.resource_server import ResourceServerSettings
from service_chassis.settings import Seconds
from token_verification.client_assertion import LONGEST_LIFE


class Settings(ResourceServerSettings):
    """Durations are in seconds."""

    audience: str = "urn:signet:orders"

    token_endpoint: str
    """Where callers' tokens are exchanged, inside the system."""
    profile_url: str
    """Where profile is, inside the system."""
    profile_audience: str = "urn:signet:profile"
    """Whom a token has to name so that profile accepts it."""
    key_encryption_key_file: Path
    """Where the 32 bytes lie under which the client key is stored; made at the first start, and never again."""
    client_id: str = "orders"
    """Who orders is to the authorization server."""
    client_key_bits: Annotated[Literal[2048, 3072], BeforeValidator(int)] = 3072
    client_key_set_max_age: Annotated[int, Field(ge=1)] = 300
    client_assertion_life: Annotated[int, Field(ge=1, le=LONGEST_LIFE)] = LONGEST_LIFE
    exchange_deadline: Seconds = 1.5
    """For one exchange in all; then an order goes on without it."""

    delivery_deadline: Seconds = 1.5
    """How long an order waits for its delivery address, the exchange included: well within the gateway's patience."""
    delivery_look_ups: Annotated[int, Field(ge=1)] = 32
    """How many orders wait for their addresses at once."""
    idempotency_keep_for: Seconds = 86_400.0
    """How long an Idempotency-Key is remembered."""
