"""A resource server as its own tests run it: in the test's process, or as the process that it is."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
from fastapi import FastAPI

from service_chassis.resource_server import ResourceServerSettings

Bearer = Callable[..., dict[str, str]]
"""Makes the header of a caller; its arguments are claims that deviate from a good token with all scopes."""

Start = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
"""Runs a service for the length of a block, and gives a client that has every scope."""


@asynccontextmanager
async def started(app: FastAPI, *, headers: Mapping[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Run a service in this process for the length of a block, and give a client that sends these headers."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service.test", headers=headers) as client,
    ):
        await until_it_knows(client)
        yield client


async def until_it_knows(client: httpx.AsyncClient, seq: int = 0) -> None:
    """Wait until a service knows what has been revoked up to a seq, but not for ever: its issuer may be away."""
    for _ in range(100):
        readiness = (await client.get("/readyz")).json()
        if readiness["checks"]["revocations"] == "ready" and readiness["revocations"]["seq"] >= seq:
            break
        await asyncio.sleep(0.01)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(
    module: str, settings: ResourceServerSettings, *, port: int | None = None, **more: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Run `python -m module` for the length of a block; whatever it would ask of others leads nowhere.

    It has to have the issuer's key set on disk, unless `more`, which is further environment, says where the issuer is.
    `port`: a free one, unless it is said.
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
        "SIGNET_LOG_LEVEL": "DEBUG",
        **more,
    }
    command = (sys.executable, "-m", module)
    running = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:
            await _until_alive(client)
            yield running, client
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def _until_alive(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await client.get("/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
