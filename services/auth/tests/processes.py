"""`python -m auth_service` as it is run, several times on one database if need be."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from auth_service.settings import Settings


@dataclass
class Replica:
    """A serving process, and a client for it."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient


NEVER_LOOKING = """
import runpy
from service_chassis.database import Database
Database.watching.__kwdefaults__["look"] = 3600.0
runpy.run_module("auth_service", run_name="__main__")
"""
"""A process that gets to know what others commit by being told, and not because it looks once a second anyway."""


@contextlib.asynccontextmanager
async def serving(settings: Settings, *, program: str | None = None) -> AsyncIterator[Replica]:
    """Serve on a free port for the length of a block; a process that is still there then is killed.

    `program` is Python to be run in place of the service's own.
    """
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "SIGNET_PORT": str(port),
        "SIGNET_ISSUER": settings.issuer,
        "SIGNET_KEY_ENCRYPTION_KEY_FILE": str(settings.key_encryption_key_file),
        "SIGNET_SIGNING_KEY_BITS": "2048",
        "SIGNET_LOG_LEVEL": "WARNING",
        "DATABASE_URL": settings.database_url,
    }
    what = ["-m", "auth_service"] if program is None else ["-c", program]
    process = await asyncio.create_subprocess_exec(sys.executable, *what, env=environment)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            async with asyncio.timeout(60):
                while not await _is_ready(client):
                    assert process.returncode is None
                    await asyncio.sleep(0.1)
            yield Replica(process, client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False
