"""`python -m orders_service` as it is run, with all others away."""

import asyncio
from contextlib import AbstractAsyncContextManager

import httpx
from tests.resource_server_running import process

from orders_service.settings import Settings


def orders_process(
    settings: Settings, *, port: int | None = None
) -> AbstractAsyncContextManager[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Run the service for the length of a block: on a free port, unless it is said."""
    return process(
        "orders_service",
        settings,
        port=port,
        SIGNET_TOKEN_ENDPOINT="http://127.0.0.1:1/oauth/token",
        SIGNET_PROFILE_URL="http://127.0.0.1:1",
        SIGNET_KEY_ENCRYPTION_KEY_FILE=str(settings.key_encryption_key_file),
        SIGNET_CLIENT_KEY_BITS="2048",
    )
