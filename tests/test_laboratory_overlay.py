"""deploy/compose.laboratory.yml: the other ways of doing it, as containers behind the same door."""

import json
import secrets

import httpx
import pytest
from tests.composed_system import containers, docker, text
from tests.conftest import compose_command, why_not_compose
from tests.running_system import ROOT

from signet.ports import free_ports

FILES = [str(ROOT / "docker-compose.yml"), str(ROOT / "deploy" / "compose.laboratory.yml")]
ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def test_both_other_ways_run_as_containers_like_all_others(docker_cleanup: list[str]) -> None:
    """The door lets the session's cookie through, in plain mode a token is good after logout, and neither has rights.

    Of the services only auth runs: neither way needs another one.
    """
    if lack := why_not_compose():
        pytest.skip(f"compose: {lack}")
    port, project = free_ports(1)[0], f"signet-test-{secrets.token_hex(4)}"
    setup = ["up --build --wait auth gateway plain-profile session-twin"]
    with (
        containers(compose_command(port), FILES, project, setup=setup, cleanup=docker_cleanup) as services,
        httpx.Client(base_url=f"http://localhost:{port}", trust_env=False, timeout=20) as door,
    ):
        for register in ("/register", "/laboratory/session/register"):
            assert door.post(register, json=ADA | {"name": "Ada"}).status_code == 201
        (cookie,) = door.post("/laboratory/session/login", json=ADA).headers.get_list("set-cookie")
        session = {"Cookie": cookie.partition(";")[0]}
        bearer = {"Authorization": f"Bearer {door.post('/login', json=ADA).json()['access_token']}"}
        assert door.post("/logout", headers=bearer).status_code == 200
        assert door.get("/laboratory/plain/api/profile", headers=bearer).json()["name"] == "Ada"
        own = door.get("/laboratory/session/api/profile", headers=session)
        assert own.json()["name"] == "Ada"
        assert [part.partition(";")[0] for part in own.headers["server-timing"].split(", ")][:3] == [
            "gateway", "upstream", "session",
        ]  # fmt: skip
        for name in ("plain-profile", "session-twin"):
            container = text(services._docker_compose.execute(f"ps -q {name}")).strip()
            (document,) = json.loads(docker("inspect", container))
            assert document["Config"]["User"] == "10001:10001"
            assert document["HostConfig"]["ReadonlyRootfs"] is True
            assert document["HostConfig"]["CapDrop"] == ["ALL"]
            (network,) = document["NetworkSettings"]["Networks"]
            assert json.loads(docker("network", "inspect", network))[0]["Internal"] is True
