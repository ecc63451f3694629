"""What the tests share: commands that run as a person runs them, and a look at who is left when they have ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signet.demo import PLAIN, TWINS
from signet.stack import EmbeddedStack

SIGNET = str(Path(sys.executable).with_name("signet"))


def _state(pid: int) -> str:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


class Processes:
    """Looks at processes by their ids."""

    def alive(self, pid: int) -> bool:
        """Whether a process runs; one that has ended and that nobody has collected does not."""
        state = _state(pid).strip()
        return bool(state) and not state.startswith("Z")

    def all_end(self, pids: list[int], *, within: float = 15.0) -> bool:
        """Whether all of them end in time."""
        return self.eventually(lambda: not any(map(self.alive, pids)), within=within)

    def services_of(self, pid: int) -> dict[str, int]:
        """Return the services that a command runs: name and process id."""
        command = ["ps", "-A", "-ww", "-o", "ppid=,pid=,args="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        rows = [row.split() for row in listed.stdout.splitlines()]
        return {row[-1].removesuffix("_service"): int(row[1]) for row in rows if row[0] == str(pid) and "-m" in row}

    def eventually(self, claim: Callable[[], bool], *, within: float = 15.0) -> bool:
        """Whether something becomes true in time."""
        deadline = time.monotonic() + within
        while not claim():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


class Command:
    """A running `signet …` at a terminal of 80 columns or none, and what it has said."""

    def __init__(self, *arguments: str, said: Path, processes: Processes, environment: dict[str, str]) -> None:
        self._said = said
        self._processes = processes
        with said.open("wb") as output:
            self.process = subprocess.Popen(
                [SIGNET, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(os.environ) | {"COLUMNS": "80"} | environment,  # noqa: TID251 - what a person's shell has
            )

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    @property
    def services(self) -> dict[str, int]:
        return self._processes.services_of(self.process.pid)

    def wait_for(self, text: str) -> None:
        """Wait until the command has said something; fail with all that it said if it does not."""
        seen = self._processes.eventually(lambda: text in self.said or self.process.poll() is not None, within=180)
        assert seen, self.said
        assert text in self.said, self.said

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


RunCommand = Callable[..., Command]


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
def run(tmp_path: Path, processes: Processes) -> Iterator[RunCommand]:
    """Start a `signet` command; whatever is left of it is ended with the test."""
    commands: list[Command] = []

    def start(*arguments: str, **environment: str) -> Command:
        said = tmp_path / f"said-{len(commands)}"
        commands.append(Command(*arguments, said=said, processes=processes, environment=environment))
        return commands[-1]

    yield start
    for command in commands:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """Run a stack that all tests of the command share, as the demo has it; each leaves it complete."""
    with EmbeddedStack(tmp_path_factory.mktemp("stack") / "data", environment=PLAIN, twins=TWINS) as running:
        yield running


@pytest.fixture(scope="module")
def auth_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """Run auth behind the door for the tests of one file: enough for what concerns accounts and keys alone."""
    with EmbeddedStack(tmp_path_factory.mktemp("auth") / "data", without=("profile", "orders")) as running:
        yield running
