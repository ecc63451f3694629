"""The system as containers: whether an engine is there, starting it without leaks, and driving it."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pytest_docker.plugin import DockerComposeExecutor, Services, get_docker_services
from tests.running_system import ROOT, SIGNET, System, eventually


class StartFailed(Exception):  # noqa: N818 -- what happened, for a person who reads the summary
    """The containers did not come up; the message holds what compose and the containers said."""


def why_no_engine() -> str | None:
    """Return None when a Docker engine answers and Compose is there, or what is missing."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command, lack in (
        (["docker", "version", "--format", "{{.Server.Version}}"], "no Docker engine answers"),
        (["docker", "compose", "version"], "docker has no compose plugin"),
    ):
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except subprocess.TimeoutExpired:
            return f"{lack} within 20 s"
        if said.returncode != 0:
            return f"{lack} ({(said.stderr.strip() or 'it said nothing').splitlines()[-1].rstrip('.')})"
    return None


@contextmanager
def containers(
    command: str, files: Sequence[str], project: str, *, setup: Sequence[str], cleanup: Sequence[str]
) -> Iterator[Services]:
    """Run containers as pytest-docker does, and leave none behind when the start fails, which it would.

    Raises StartFailed with the containers' logs.
    """
    compose = DockerComposeExecutor(command, list(files), project)
    running = get_docker_services(command, list(files), project, list(setup), [])
    try:
        try:
            services = running.__enter__()
        except Exception as failure:  # noqa: BLE001 -- pytest-docker raises nothing more precise
            raise StartFailed(f"{failure}\n\n{_logs(compose)}") from None
        yield services
    except BaseException as ending:
        # What ended it must not be hidden by what went wrong while cleaning up.
        if fault := _clean_up(compose, cleanup):
            ending.add_note(f"Cleaning up failed too: {fault}")
        raise
    if fault := _clean_up(compose, cleanup):
        raise fault


def _clean_up(compose: DockerComposeExecutor, cleanup: Sequence[str]) -> Exception | None:
    """Run every step, also when one fails; return the last failure."""
    failed = None
    for step in cleanup:
        try:
            compose.execute(step)
        except Exception as failure:  # noqa: BLE001 -- same reason as above
            failed = failure
    return failed


def _logs(compose: DockerComposeExecutor) -> str:
    try:
        return text(compose.execute("logs --no-color --tail 100"))
    except Exception as failure:  # noqa: BLE001 -- the reason why nothing started must not be hidden by this one
        return f"(no logs: {failure})"


def leftovers(project: str) -> list[str]:
    """Return the ids of all containers, networks and volumes that a project has."""
    label = f"label=com.docker.compose.project={project}"
    found = []
    for things in (["ps", "-a"], ["network", "ls"], ["volume", "ls"]):
        found += docker(*things, "-q", "--filter", label).split()
    return found


def docker(*arguments: str) -> str:
    """Run docker, and return what it says. CalledProcessError if it fails."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=120).stdout


def text(output: Any) -> str:  # noqa: ANN401 -- as untyped as pytest-docker leaves it
    """Return a command's output as text."""
    return bytes(output).decode("utf-8", "replace")


class ComposedSystem(System):
    """The containers of one project. Whoever started them ends them."""

    kind = "compose"

    def __init__(self, services: Services, *, project: str, port: int) -> None:
        super().__init__()
        self._compose = services._docker_compose
        self.project = project
        self.port = port
        self.url = f"http://localhost:{port}"

    def compose(self, arguments: str) -> str:
        """Run one compose command on this project."""
        return text(self._compose.execute(arguments))

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        return self.compose(f"ps -aq {service}").strip()

    def inside(self, service: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in a service's container."""
        return subprocess.run(
            ["docker", "exec", self.container(service), "sh", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def _present_logs(self, service: str) -> str:
        return self.compose(f"logs --no-color --no-log-prefix {service}")

    def stop(self, service: str) -> None:
        self.compose(f"stop {service}")

    def start(self, service: str) -> None:
        self.compose(f"start --wait {service}")

    def pause(self, service: str) -> None:
        eventually(lambda: self._is_paused(service))

    def _is_paused(self, service: str) -> bool:
        """Try to, and return whether it came about: on a busy machine the kernel may not freeze what just forks."""
        try:
            self.compose(f"pause {service}")
        except Exception as failure:  # pytest-docker raises nothing more precise
            if "unable to freeze" not in str(failure):
                raise
            return False
        return True

    def resume(self, service: str) -> None:
        self.compose(f"unpause {service}")

    def replicas(self, service: str) -> list[str]:
        return [self.url]

    def down_and_up(self) -> None:
        self.keep_logs()
        self.compose("down")
        self.compose("up --wait")

    def create_administrator(self, email: str, name: str, password: str) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ) | {"COMPOSE_PROJECT_NAME": self.project}  # noqa: TID251 -- handed on, not read
        return subprocess.run(
            [SIGNET, "admin", "create", "--email", email, "--name", name, "--compose"],
            input=f"{password}\n",
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=ROOT,
            env=environment,
        )


class OverlaidSystem(ComposedSystem):
    """The containers with PostgreSQL and two replicas of each service. `container` and `inside` mean the first one.

    Their ports are published on loopback.
    """

    workers = 2

    def replicas(self, service: str) -> list[str]:
        return [f"http://{self.compose(f'port --index {index} {service} 8000').strip()}" for index in (1, 2)]

    def containers(self, service: str) -> list[str]:
        """Return the ids of all of a service's containers."""
        return sorted(self.compose(f"ps -aq {service}").split())

    def container(self, service: str) -> str:
        return self.containers(service)[0]
