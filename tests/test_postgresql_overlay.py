"""PostgreSQL behind replicas: who can reach what, and what a restart costs."""

import json
import secrets
from time import monotonic, sleep

import pytest
from tests.composed_system import OverlaidSystem, docker
from tests.running_system import Person, System, eventually

pytestmark = pytest.mark.stack("postgres")

SERVICES = ("auth", "profile", "orders")

CONNECT = """
import asyncio, asyncpg, pathlib, sys
password = pathlib.Path("/password/password").read_text()
async def main(user, database):
    connection = await asyncpg.connect(host="postgres", user=user, database=database, password=password)
    print(await connection.fetchval("SELECT current_user"))
try:
    asyncio.run(main(*sys.argv[1:]))
except asyncpg.PostgresError as error:
    print(error.sqlstate)
"""

REACH = "import socket; socket.create_connection(('postgres', 5432), 3)"


@pytest.fixture
def overlaid(system: System) -> OverlaidSystem:
    assert isinstance(system, OverlaidSystem)
    return system


def test_each_service_runs_twice_and_agrees_with_itself(overlaid: OverlaidSystem) -> None:
    """Two replicas of each are healthy; the two auths that started at once made one pair of keys."""
    for service in SERVICES:
        documents = [json.loads(docker("inspect", each))[0] for each in overlaid.containers(service)]
        assert [document["State"]["Health"]["Status"] for document in documents] == ["healthy"] * 2
    assert overlaid.logs("auth").count("first_signing_keys_made") == 1
    assert len({overlaid.get("/.well-known/jwks.json").content for _ in range(20)}) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reaches_its_own_database_alone(overlaid: OverlaidSystem, service: str) -> None:
    """With its password it is itself, in its own database, and nobody else anywhere else."""

    def attempt(user: str, database: str) -> str:
        return overlaid.inside(service, f"python -c '{CONNECT}' {user} {database}").stdout.strip()

    assert attempt(service, service) == service
    for other in {*SERVICES, "postgres", "template1"} - {service}:
        assert attempt(service, other) == "42501"  # no privilege to connect
    for other in {*SERVICES, "postgres"} - {service}:
        assert attempt(other, other) == "28P01"  # not the password


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_sees_its_own_password_alone(overlaid: OverlaidSystem, service: str) -> None:
    """One file, which it cannot change, and nothing of it among what its container was started with."""
    assert overlaid.inside(service, "stat -c '%a %u %n' /password/*").stdout.split() == [
        "440", "10001", "/password/password",
    ]  # fmt: skip
    assert overlaid.inside(service, "echo x > /password/password").returncode != 0
    password = overlaid.inside(service, "cat /password/password").stdout
    assert len(password) >= 40
    assert password not in docker("inspect", overlaid.container(service))
    for part in (*SERVICES, "postgres", "passwords", "databases"):
        assert password not in overlaid.compose(f"logs --no-color {part}")
    assert overlaid.inside(service, "ls /data").stdout.count(".db") == 0


def test_the_door_has_no_way_to_the_database(overlaid: OverlaidSystem) -> None:
    """A service reaches the server; the gateway does not even find its name; nothing of it is published."""
    assert overlaid.inside("orders", f'python -c "{REACH}"').returncode == 0
    assert "gaierror" in overlaid.inside("gateway", f'python -c "{REACH}"').stderr
    (server,) = json.loads(docker("inspect", overlaid.container("postgres")))
    assert not any(server["NetworkSettings"]["Ports"].values())
    for network in server["NetworkSettings"]["Networks"]:
        assert json.loads(docker("network", "inspect", network))[0]["Internal"] is True


def test_the_server_runs_with_no_more_than_it_needs(overlaid: OverlaidSystem) -> None:
    """As nobody in particular, on a read-only root, without capabilities or a way to new ones."""
    (server,) = json.loads(docker("inspect", overlaid.container("postgres")))
    assert server["Config"]["User"] == "999:999"
    host = server["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["CapAdd"]) == (True, ["ALL"], None)
    assert "no-new-privileges:true" in host["SecurityOpt"]


def test_a_second_up_keeps_passwords_and_containers(overlaid: OverlaidSystem) -> None:
    """Everything that runs runs on, and everyone's password is what it was."""
    before = sorted(overlaid.compose("ps -q").split())
    passwords = [overlaid.inside(service, "cat /password/password").stdout for service in SERVICES]
    overlaid.compose("up --wait")
    assert sorted(overlaid.compose("ps -q").split()) == before
    assert [overlaid.inside(service, "cat /password/password").stdout for service in SERVICES] == passwords
    assert overlaid.person("Lise").get("/api/profile").status_code == 200


@pytest.mark.parametrize("service", SERVICES)
def test_one_replica_is_enough(overlaid: OverlaidSystem, ada: Person, service: str) -> None:
    """While one replica of a service is away, the door finds the other."""
    victim = overlaid.containers(service)[1]
    docker("stop", "-t", "1", victim)
    try:
        eventually(lambda: _all_is_well(ada), within=15)
        for _ in range(5):
            assert _all_is_well(ada)
    finally:
        docker("start", victim)
    eventually(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", victim).strip() == "healthy", within=90)


def test_a_restart_of_the_server_is_survived(overlaid: OverlaidSystem, ada: Person) -> None:
    """While PostgreSQL restarts, requests get 503 and nothing else; afterwards all is there, and well at once."""
    placed = ada.order(("LAMP-DESK", 1)).json()
    statuses = set()
    docker("restart", "-t", "5", overlaid.container("postgres"))
    deadline = monotonic() + 30
    while monotonic() < deadline:
        status = ada.get("/api/orders").status_code
        statuses.add(status)
        if status == 200:
            break
        sleep(0.1)
    assert statuses <= {200, 503}
    for _ in range(20):
        answer = ada.get("/api/orders")
        assert answer.status_code == 200
        assert placed in answer.json()["orders"]
    assert ada.log_in().status_code == 200
    assert overlaid.person(f"Emmy{secrets.token_hex(2)}").get("/api/profile").status_code == 200


def _all_is_well(person: Person) -> bool:
    return person.log_in().status_code == 200 and all(
        person.get(path).status_code == 200 for path in ("/api/profile", "/api/orders", "/api/catalogue")
    )
