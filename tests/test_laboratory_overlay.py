"""deploy/compose.laboratory.yml: the other ways of doing it, as containers behind the same door."""

import json

import httpx
import pytest
from tests.composed_system import ComposedSystem, docker
from tests.running_system import System

ADA = {"email": "ada@example.com", "password": "correct horse battery"}


@pytest.mark.stack("compose")
def test_both_other_ways_run_as_containers_like_all_others(playground: System) -> None:
    """The door lets the session's cookie through; in plain mode a token is good after logout; neither has rights."""
    assert isinstance(playground, ComposedSystem)
    with httpx.Client(base_url=playground.url, trust_env=False, timeout=20) as door:
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
        (document,) = json.loads(docker("inspect", playground.container(name)))
        assert document["Config"]["User"] == "10001:10001"
        assert document["HostConfig"]["ReadonlyRootfs"] is True
        assert document["HostConfig"]["CapDrop"] == ["ALL"]
        (network,) = document["NetworkSettings"]["Networks"]
        assert json.loads(docker("network", "inspect", network))[0]["Internal"] is True
