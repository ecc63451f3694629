"""What profile has to know before it starts: read once from the environment (prefix SIGNET_, but DATABASE_URL)."""

from service_chassis.resource_server import ResourceServerSettings


class Settings(ResourceServerSettings):
    """A resource server's, and nothing else."""

    audience: str = "urn:signet:profile"
