"""A start that fails shows why and leaves nothing; an engine that is missing is said, or is a failure."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from tests.composed_system import ComposedSystem, StartFailed, containers, docker, leftovers
from tests.running_system import ROOT, System

STAND_IN = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
case "$*" in
  *" up "*) echo "one container exited"; exit 1 ;;
  *" logs "*) echo "orders | SIGNET_LOG_LEVEL: is none" ;;
esac
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """Make a command that writes down what compose was asked, and fails to start anything."""
    command = tmp_path / "compose"
    command.write_text(STAND_IN)
    command.chmod(0o755)
    return command


def test_a_failed_start_shows_logs_and_cleans_up(stand_in: Path) -> None:
    """When `up` fails, the error has the containers' logs in it, and everything is taken down, volumes too."""
    with (
        pytest.raises(StartFailed, match=r"(?s)one container exited.*SIGNET_LOG_LEVEL: is none"),
        containers(str(stand_in), ["a.yml"], "project", setup=["up --wait"], cleanup=["down -v"]),
    ):
        pytest.fail("nothing was started")
    calls = (stand_in.parent / "calls").read_text().splitlines()
    assert [call.split()[4] for call in calls] == ["up", "logs", "down"]
    assert calls[-1].endswith("down -v")


def test_an_interrupt_cleans_up(stand_in: Path) -> None:
    """Ctrl-C in the middle of the tests takes everything down too."""
    with (
        pytest.raises(KeyboardInterrupt),
        containers(str(stand_in), ["a.yml"], "project", setup=["version"], cleanup=["down -v"]),
    ):
        raise KeyboardInterrupt
    assert (stand_in.parent / "calls").read_text().splitlines()[-1].endswith("down -v")


@pytest.mark.stack("compose")
def test_real_containers_that_fail(system: System, docker_compose_command: str, tmp_path: Path) -> None:
    """With a wrong setting the real start fails, says which service complained and of what, and leaves nothing."""
    assert isinstance(system, ComposedSystem)
    overlay = tmp_path / "wrong.yml"
    overlay.write_text(
        "services:\n  orders:\n    restart: 'no'\n    build: !reset null\n"
        f"    image: {system.project}-orders\n    environment: {{SIGNET_LOG_LEVEL: nonsense}}\n"
    )
    project = f"signet-test-{secrets.token_hex(4)}"
    running = ("ps", "-q", "--filter", f"label=com.docker.compose.project={system.project}")
    before = docker(*running)
    with (
        pytest.raises(StartFailed, match=r"(?s)orders.*SIGNET_LOG_LEVEL"),
        containers(
            docker_compose_command,
            [str(ROOT / "docker-compose.yml"), str(overlay)],
            project,
            setup=["up --wait orders"],
            cleanup=["down -v"],
        ),
    ):
        pytest.fail("it started with a wrong setting")
    assert leftovers(project) == []
    assert docker(*running) == before != ""


def collect(**environment: str) -> subprocess.CompletedProcess[str]:
    """Let pytest look at one module of system tests, with no Docker engine in sight."""
    nowhere = {"DOCKER_HOST": "unix:///nowhere/docker.sock", "STACK": ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/test_main_path.py"],
        cwd=ROOT,
        env=dict(os.environ) | nowhere | environment,  # noqa: TID251 -- handed on, not read
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_missing_engine_is_said() -> None:
    """Without an engine the embedded stack is tested, and one line says that docker compose was not, and why."""
    ended = collect()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "[embedded]" in ended.stdout
    assert "[compose]" not in ended.stdout
    lines = [line for line in ended.stdout.splitlines() if "docker compose was not run: " in line]
    assert len(lines) == 1


def test_a_missing_engine_is_a_failure_when_it_was_asked_for() -> None:
    """With STACK=compose a missing engine fails the run, in a sentence."""
    ended = collect(STACK="compose")
    assert ended.returncode != 0
    assert "STACK=compose asks for the containers, but " in ended.stdout + ended.stderr


def test_stack_is_one_of_two() -> None:
    """A misspelled STACK is refused, rather than taken for the default."""
    assert collect(STACK="docker").returncode != 0
