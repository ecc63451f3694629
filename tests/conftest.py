"""The same tests for three stacks: the embedded processes always, docker compose where an engine answers, and its
overlay with PostgreSQL and replicas where that has the image.

The embedded processes show every claim. The containers run the same code, so that a test is marked for fewer stacks
where they cannot differ: the containers show what is about processes, network, storage, settings and one path of each
kind, and the overlay what replicas and PostgreSQL can break; what any of them alone has, is marked for it alone.

STACK=compose makes a missing engine a failure, STACK=embedded leaves the containers out.
"""

import functools
import json
import os
import secrets
import shlex
import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from pytest_docker.plugin import Services
from tests.composed_system import ComposedSystem, OverlaidSystem, containers, why_no_engine
from tests.postgresql_plugin import WISH as POSTGRES
from tests.postgresql_server import why_no_container
from tests.running_system import ROOT, EmbeddedSystem, Person, System

from signet.laboratory import ENVIRONMENT, TWINS
from signet.ports import free_ports

LAST = ("test_compromised_key", "test_outage", "test_restart", "test_operations", "test_secrets")
"""Modules that disturb the system, or ask what remained of it, in the order in which they run after all others."""

KINDS = {"system": ("embedded", "compose", "postgres"), "playground": ("embedded", "compose")}
"""The stacks of each fixture that is a system."""

STACK = os.environ.get("STACK", "")  # noqa: TID251 -- the tests' own one setting, read once


@functools.cache
def why_not_compose() -> str | None:
    """Return None when the tests run on docker compose too, or why not."""
    return "STACK=embedded leaves it out" if STACK == "embedded" else why_no_engine()


@functools.cache
def why_not_overlay() -> str | None:
    """Return None when the tests run on the overlay with PostgreSQL too, or why not."""
    if lack := why_not_compose():
        return lack
    return "POSTGRES=off leaves it out" if POSTGRES == "off" else why_no_container()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "stack(kind, …): a claim for these stacks alone: embedded, compose, postgres")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run whatever asks for a system on each stack that it has, or on those that the test is marked for."""
    lacks = {"embedded": None, "compose": why_not_compose(), "postgres": why_not_overlay()}
    marker = metafunc.definition.get_closest_marker("stack")
    for name, all_kinds in KINDS.items():
        if name in metafunc.fixturenames:
            kinds = [kind for kind in all_kinds if not marker or kind in marker.args]
            stacks: list[object] = [kind for kind in kinds if not lacks[kind]]
            if not stacks:
                stacks = [pytest.param(kind, marks=pytest.mark.skip(reason=f"{kind}: {lacks[kind]}")) for kind in kinds]
            metafunc.parametrize(name, stacks, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the disturbing tests last. Raises UsageError when STACK asks for what cannot be."""
    if STACK not in {"", "embedded", "compose"}:
        raise pytest.UsageError(f"STACK is {STACK!r}; it can be embedded, compose, or unset.")
    if STACK == "compose" and (lack := why_not_compose()):
        raise pytest.UsageError(f"STACK=compose asks for the containers, but {lack}.")
    ranks = {module: rank for rank, module in enumerate(LAST, start=1)}
    items.sort(key=lambda item: ranks.get(item.path.stem, 0) if item.path.is_relative_to(ROOT / "tests") else 0)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the playground's containers after their last test: idle ones ask themselves all the time how they are."""
    arguments = item.funcargs if isinstance(item, pytest.Function) else {}
    playground = arguments.get("playground")
    goes_on = isinstance(nextitem, pytest.Function) and "playground" in nextitem.fixturenames
    if isinstance(playground, ComposedSystem) and not goes_on:
        playground.compose("stop")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not run."""
    if lack := why_not_compose():
        terminalreporter.write_line(f"docker compose was not run: {lack}.", yellow=True)
    elif lack := why_not_overlay():
        terminalreporter.write_line(f"The overlay with PostgreSQL was not run: {lack}.", yellow=True)


@pytest.fixture(scope="session", autouse=True)
def _termination_cleans_up() -> Iterator[None]:
    """Let SIGTERM end the tests as Ctrl-C does: with every fixture's end."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run the system that all tests of one stack share: leave it as it was found."""
    if request.param in {"compose", "postgres"}:
        composed = request.getfixturevalue("composed_system" if request.param == "compose" else "overlaid_system")
        yield composed
        composed.compose("stop")  # the next stack is tested beside them
        composed.close()
    else:
        with EmbeddedSystem(tmp_path_factory.mktemp("data"), workers=2) as embedded:
            yield embedded


@pytest.fixture(scope="session")
def composed_system(docker_services: Services, docker_compose_project_name: str, door_port: int) -> ComposedSystem:
    return ComposedSystem(docker_services, project=docker_compose_project_name, port=door_port)


@pytest.fixture(scope="session")
def overlaid_system(docker_setup: list[str], docker_cleanup: list[str]) -> Iterator[OverlaidSystem]:
    """Run the overlay, beside the other containers and with no name or port in common."""
    port, project = free_ports(1)[0], f"signet-test-{secrets.token_hex(4)}"
    files = [str(ROOT / "docker-compose.yml")]
    files += [str(ROOT / "deploy" / f"compose.{overlay}.yml") for overlay in ("postgres", "internal-ports")]
    with containers(compose_command(port), files, project, setup=docker_setup, cleanup=docker_cleanup) as services:
        yield OverlaidSystem(services, project=project, port=port)


@pytest.fixture(scope="session")
def other_port() -> int:
    """Return the port of another site's pages: those at `localhost` may call the playground with a token."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def playground(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    docker_setup: list[str],
    docker_cleanup: list[str],
    other_port: int,
) -> Iterator[System]:
    """Run a system with the laboratory, as `signet up --laboratory` and its overlay do, whose keys tests may turn."""
    cors = {"SIGNET_CORS_ORIGINS": json.dumps([f"http://localhost:{other_port}"])}
    if request.param == "compose":
        port, project = free_ports(1)[0], f"signet-test-{secrets.token_hex(4)}"
        files = [str(ROOT / "docker-compose.yml"), str(ROOT / "deploy" / "compose.laboratory.yml")]
        command = compose_command(port, **cors)
        with containers(command, files, project, setup=docker_setup, cleanup=docker_cleanup) as services:
            composed = ComposedSystem(services, project=project, port=port)
            yield composed
            composed.close()
    else:
        shown = {"SIGNET_SERVER_TIMING": "true"}
        twins = {name: (service, ENVIRONMENT.get(name, {}) | shown) for name, service in TWINS.items()}
        data = tmp_path_factory.mktemp("playground")
        with EmbeddedSystem(data, twins=twins, auth=shown, profile=shown, orders=shown, gateway=shown | cors) as system:
            yield system


@pytest.fixture(scope="session")
def ada(system: System) -> Person:
    return system.person("Ada")


@pytest.fixture(scope="session")
def bob(system: System) -> Person:
    return system.person("Bob")


@pytest.fixture(scope="session")
def administrator(system: System) -> Person:
    """Make an administrator by the documented command."""
    email, password = f"root.{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(12)
    made = system.create_administrator(email, "Root", password)
    assert made.returncode == 0, made.stdout + made.stderr
    assert password not in made.stdout + made.stderr
    return Person(system, "Root", email=email, password=password)


# What pytest-docker asks for. Names and port are ours alone: nobody's containers or volumes are touched.


@pytest.fixture(scope="session")
def door_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def docker_compose_command(door_port: int) -> str:
    return compose_command(door_port)


def compose_command(port: int, **more: str) -> str:
    """Return the command that runs containers with this door and these further settings."""
    url = {"SIGNET_PUBLIC_URL": f"http://localhost:{port}"}
    settings = {"SIGNET_ADDRESS": "127.0.0.1", "SIGNET_PORT": str(port), **url, **more}
    return shlex.join(["env", *(f"{name}={value}" for name, value in settings.items()), "docker", "compose"])


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(ROOT / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return f"signet-test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    return ["up --build --wait"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    # Images may be shared with a build that runs at the same time: that one is not removed is no fault.
    return ["down -v", "down --rmi local || true"]


@pytest.fixture(scope="session")
def docker_services(
    docker_compose_command: str,
    docker_compose_file: str,
    docker_compose_project_name: str,
    docker_setup: list[str],
    docker_cleanup: list[str],
) -> Iterator[Services]:
    """Run the containers, in place of pytest-docker's own fixture, which leaks them when the start fails."""
    with containers(
        docker_compose_command,
        [docker_compose_file],
        docker_compose_project_name,
        setup=docker_setup,
        cleanup=docker_cleanup,
    ) as services:
        yield services
