"""What orders has to know before it starts: read once from the environment (prefix SIGNET_, but DATABASE_URL)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from service_chassis.settings import Seconds, ServiceSettings
from token_verification.client_assertion import LONGEST_LIFE


class Settings(ServiceSettings):
    """Durations are in seconds, and mean what the parameters of that name at RemoteKeySet and the verifier mean."""

    issuer: str
    """Whose tokens count: the public URL of the authorization server."""
    jwks_uri: str
    """Where its key set is fetched, inside the system."""
    key_set_file: Path
    """Where the last good key set lies, for a restart while the issuer is away."""
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

    leeway: Seconds = 5.0
    max_token_life: Seconds = 600.0
    key_set_max_age: Seconds = 300.0
    key_set_retry_first: Seconds = 1.0
    key_set_retry_last: Seconds = 30.0
    key_set_cooldown: Seconds = 10.0
    key_set_keep_for: Seconds = 3600.0
    key_set_deadline: Seconds = 3.0
