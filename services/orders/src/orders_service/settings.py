"""What orders has to know before it starts: read once from the environment (prefix SIGNET_, but DATABASE_URL)."""

from pathlib import Path

from service_chassis.settings import Seconds, ServiceSettings


class Settings(ServiceSettings):
    """Durations are in seconds, and mean what the parameters of that name at RemoteKeySet and the verifier mean."""

    issuer: str
    """Whose tokens count: the public URL of the authorization server."""
    jwks_uri: str
    """Where its key set is fetched, inside the system."""
    key_set_file: Path
    """Where the last good key set lies, for a restart while the issuer is away."""
    audience: str = "urn:signet:orders"

    leeway: Seconds = 5.0
    max_token_life: Seconds = 600.0
    key_set_max_age: Seconds = 300.0
    key_set_retry_first: Seconds = 1.0
    key_set_retry_last: Seconds = 30.0
    key_set_cooldown: Seconds = 10.0
    key_set_keep_for: Seconds = 3600.0
    key_set_deadline: Seconds = 3.0
