"""The gateway as a process of its own, and its settings."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping

import httpx
import pytest
from pydantic import ValidationError

from gateway.punctuality import EVERY
from gateway.settings import GatewaySettings
from gateway.testing import closed_port

ORIGINS = dict.fromkeys(("public_url", "auth_url", "profile_url", "orders_url"), "http://127.0.0.1:9")


def environment(**changes: object) -> dict[str, str]:
    settings = {"port": closed_port(), "operations_port": closed_port(), **ORIGINS, **changes}
    return {"PATH": os.defpath, **{f"SIGNET_{name.upper()}": str(value) for name, value in settings.items()}}


async def start(settings: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=settings, stderr=asyncio.subprocess.PIPE
    )


async def test_probes_and_figures_are_on_the_internal_listener_and_not_at_the_door() -> None:
    """Two ports, one process; SIGTERM ends both, without a trace."""
    settings = environment()
    door = f"http://127.0.0.1:{settings['SIGNET_PORT']}"
    internal = f"http://127.0.0.1:{settings['SIGNET_OPERATIONS_PORT']}"
    running = await start(settings)
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=10)) as client:
        assert (await client.get(f"{door}/")).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(internal + path)).status_code == 200
            assert (await client.get(door + path)).status_code == 404
        assert (await client.get(f"{door}/api/orders/1")).status_code == 502
        figures = (await client.get(f"{internal}/metrics")).text
        assert 'http_requests_total{method="GET",route="/api/orders/",status="502"} 1.0' in figures
        assert 'route="unmatched",status="404"' in figures
        assert (await client.get(f"{internal}/docs")).status_code == 404
    running.send_signal(signal.SIGTERM)
    assert running.stderr is not None
    said = await asyncio.wait_for(running.stderr.read(), 10)
    await running.wait()
    assert b"Traceback" not in said


async def test_several_workers_share_both_ports() -> None:
    """Each answers at the door and on the internal listener; SIGTERM ends them all."""
    settings = environment(workers=2)
    running = await start(settings)
    seen: set[str] = set()
    async with httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(retries=10, limits=httpx.Limits(max_keepalive_connections=0))
    ) as client:
        async with asyncio.timeout(60):
            while len(seen) < 2:
                seen.add((await client.get(f"http://127.0.0.1:{settings['SIGNET_OPERATIONS_PORT']}/readyz")).text)
        assert (await client.get(f"http://127.0.0.1:{settings['SIGNET_PORT']}/")).status_code == 200
    running.send_signal(signal.SIGTERM)
    await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode == -signal.SIGTERM


@pytest.mark.parametrize("taken", ["port", "operations_port"])
async def test_a_taken_port_is_a_sentence(taken: str) -> None:
    """Exit status 1, and which port it is."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        running = await start(environment(**{taken: port}))
        _, said = await asyncio.wait_for(running.communicate(), 10)
    assert running.returncode == 1
    assert str(port).encode() in said
    assert b"Traceback" not in said


async def test_a_missing_setting_is_a_sentence() -> None:
    """Exit status 2, and the variable's name."""
    settings = environment()
    del settings["SIGNET_ORDERS_URL"]
    running = await start(settings)
    _, said = await asyncio.wait_for(running.communicate(), 10)
    assert running.returncode == 2
    assert said.decode().splitlines() == ["SIGNET_ORDERS_URL: is not set, and has no default"]


@pytest.mark.parametrize("origin", ["http://a/b", "http://a?b", "http://u:p@a", "ftp://a", "a:80", "http://a/#b"])
def test_an_upstream_is_an_origin_and_nothing_else(origin: str) -> None:
    """The gateway rewrites no path, so there is none to configure."""
    with pytest.raises(ValidationError):
        GatewaySettings.model_validate({"port": 1, "operations_port": 2, **ORIGINS, "orders_url": origin})


def test_the_caps_and_deadlines_are_the_protocols() -> None:
    """16 KiB of headers in 10 s, 1 MiB of body, and an answer within 3 s of any upstream."""
    settings = GatewaySettings.model_validate({"port": 1, "operations_port": 2, **ORIGINS})
    assert settings.header_bytes == 16 * 1024
    assert settings.header_seconds == 10
    assert settings.body_bytes == 1024 * 1024
    looks = 3 * EVERY  # the first deadline is noticed at a look, the second begins at one, and is noticed at one
    assert settings.upstream_queue_seconds + settings.upstream_answer_seconds + looks < 3
    assert settings.upstream_connect_seconds < settings.upstream_answer_seconds
    assert settings.upstream_idle_seconds < 5
