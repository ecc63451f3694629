"""How the containers run, and what is in their images."""

import json
from typing import Any

import pytest
from tests.composed_system import ComposedSystem, docker, leftovers
from tests.running_system import SERVICES, System

pytestmark = pytest.mark.stack("compose")

WRITABLE = {"auth": {"/data", "/secrets"}, "profile": {"/data"}, "orders": {"/data", "/secrets"}, "gateway": set[str]()}

FOUND = (
    "import importlib.util, sys; print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is not None])"
)

PRIVATE_KEYS = r"""
import os, re
key = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
for root in ("/venv", "/data", "/secrets", "/src", "/home", "/root", "/tmp", "/etc/ssl/private"):
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as file:
                    if key.search(file.read()):
                        print(path)
            except OSError:
                pass
"""


@pytest.fixture
def composed(system: System) -> ComposedSystem:
    assert isinstance(system, ComposedSystem)
    return system


def inspected(composed: ComposedSystem, service: str) -> dict[str, Any]:
    (document,) = json.loads(docker("inspect", composed.container(service)))
    return dict(document)


@pytest.mark.parametrize("service", SERVICES)
def test_runs_with_no_more_than_it_needs(composed: ComposedSystem, service: str) -> None:
    """Each container runs as nobody in particular, on a read-only root, without capabilities or a way to new ones."""
    container = inspected(composed, service)
    assert container["Config"]["User"] == "10001:10001"
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert not host["Binds"] or not any(bind.startswith("/") for bind in host["Binds"])
    assert container["State"]["Health"]["Status"] == "healthy"
    assert {mount["Destination"] for mount in container["Mounts"] if mount["Type"] == "volume"} == WRITABLE[service]

    assert composed.inside(service, "id -u").stdout.strip() == "10001"
    status = dict(line.split(":\t", 1) for line in composed.inside(service, "cat /proc/1/status").stdout.splitlines())
    assert {int(status[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert composed.inside(service, "touch /venv/x || touch /etc/x || touch /x").returncode != 0


@pytest.mark.parametrize("service", SERVICES)
def test_images_hold_no_tools(composed: ComposedSystem, service: str) -> None:
    """No image has a compiler, and no environment in it a package manager, a test tool or another service."""
    modules = {"auth": "auth_service", "profile": "profile_service", "orders": "orders_service", "gateway": "gateway"}
    others = [module for name, module in modules.items() if name != service]
    unwanted = ["pip", "uv", "pytest", "hypothesis", "schemathesis", "signet", *others]
    found = composed.inside(service, f"python -c '{FOUND}' {modules[service]} {' '.join(unwanted)}")
    assert found.stdout.split() == [modules[service]], found
    playground = composed.inside(service, f"python -c '{FOUND}' playground").stdout.split()
    assert playground == (["playground"] if service == "gateway" else [])
    assert composed.inside(service, "command -v gcc cc g++ make uv pytest git").stdout == ""


@pytest.mark.parametrize("service", SERVICES)
def test_images_hold_no_secret(composed: ComposedSystem, service: str) -> None:
    """An image has no key, no password and no data in it: all of that is made at the first start."""
    image = inspected(composed, service)["Image"]
    made = docker("run", "--rm", "--network", "none", image, "sh", "-c", "ls -A /data /secrets")
    assert made.split() == ["/data:", "/secrets:"]
    assert docker("run", "--rm", "--network", "none", image, "python", "-c", PRIVATE_KEYS) == ""
    for line in docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).splitlines():
        assert not any(word in line.lower() for word in ("password", "secret=", "token=", "private key")), line
    for setting in inspected(composed, service)["Config"]["Env"]:
        name, _, value = setting.partition("=")
        secret = any(word in name for word in ("KEY", "SECRET", "PASSWORD", "TOKEN"))
        assert not secret or name.endswith(("_FILE", "_ENDPOINT")) or name == "GPG_KEY", setting
        assert "@" not in value


@pytest.mark.parametrize("service", ["auth", "profile", "orders"])
def test_services_have_no_way_out(composed: ComposedSystem, service: str) -> None:
    """A service is on the inner network alone, which the engine connects to nothing else."""
    (network,) = inspected(composed, service)["NetworkSettings"]["Networks"]
    assert json.loads(docker("network", "inspect", network))[0]["Internal"] is True


@pytest.mark.parametrize("service", SERVICES)
def test_a_name_that_is_gone_is_not_asked_for_long(composed: ComposedSystem, service: str) -> None:
    """A stopped service has no name: its look-up ends after 2 s, which is less than a deadline, wherever it went."""
    options = composed.inside(service, "grep ^options /etc/resolv.conf").stdout.split()
    assert {"timeout:1", "attempts:2"} <= set(options)


@pytest.mark.parametrize("owner", ["auth", "orders"])
def test_secrets_are_readable_by_their_owner_alone(composed: ComposedSystem, owner: str) -> None:
    """Who has private keys made a key-encryption key at its first start, which only itself can read."""
    listed = composed.inside(owner, "stat -c '%a %u %n' /secrets/*").stdout.split()
    assert listed == ["600", "10001", "/secrets/key-encryption-key"]


def test_leftovers_would_be_found(composed: ComposedSystem) -> None:
    """What other tests look for when they claim that nothing is left is found while it is there."""
    assert len(leftovers(composed.project)) == 4 + 2 + 5
