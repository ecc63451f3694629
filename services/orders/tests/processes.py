"""`python -m orders_service` as it is run, with all others away."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from orders_service.settings import Settings


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(
    settings: Settings, *, port: int | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Run the service for the length of a block; whatever it would ask of others leads nowhere.

    It has to have the issuer's key set on disk. `port`: a free one, unless it is said.
    """
    port = port or free_port()
    environment = {
        "PATH": os.defpath,
        "DATABASE_URL": settings.database_url,
        "SIGNET_PORT": str(port),
        "SIGNET_ISSUER": settings.issuer,
        "SIGNET_JWKS_URI": "http://127.0.0.1:1/jwks.json",
        "SIGNET_KEY_SET_FILE": str(settings.key_set_file),
        "SIGNET_REVOCATIONS_URL": "http://127.0.0.1:1/revocations",
        "SIGNET_REVOCATIONS_FOLDER": str(settings.revocations_folder),
        "SIGNET_TOKEN_ENDPOINT": "http://127.0.0.1:1/oauth/token",
        "SIGNET_PROFILE_URL": "http://127.0.0.1:1",
        "SIGNET_KEY_ENCRYPTION_KEY_FILE": str(settings.key_encryption_key_file),
        "SIGNET_CLIENT_KEY_BITS": "2048",
        "SIGNET_LOG_LEVEL": "DEBUG",
    }
    command = (sys.executable, "-m", "orders_service")
    running = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:
            await until_alive(client)
            yield running, client
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def until_alive(client: httpx.AsyncClient) -> None:
    """Wait until the process listens; the test fails if that takes a minute."""
    async with asyncio.timeout(60):
        while True:
            try:
                await client.get("/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
