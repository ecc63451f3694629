"""`signet up`, run as a person runs it."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from signet.environment import SERVICES
from signet.ports import free_ports

if TYPE_CHECKING:
    from cli.tests.conftest import Command, Processes, RunCommand


README = Path(__file__).parents[2] / "README.md"


def up(run: "RunCommand", data: Path, *, port: int | None = None) -> "Command":
    """Start the system and wait until it says that it is ready."""
    command = run("up", "--port", str(port or free_ports(1)[0]), "--data", str(data))
    command.wait_for('Bearer $TOKEN"')
    return command


def printed_commands(said: str) -> str:
    """Return the commands that a person would copy."""
    return said[said.index("# register") :]


def shell(script: str) -> str:
    return subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, check=True).stdout


def test_it_says_what_runs_where_and_its_commands_work_as_printed(run: "RunCommand", tmp_path: Path) -> None:
    """Register, log in and call, copied from the terminal; the same account and keys are there after a second start."""
    port = free_ports(1)[0]
    first = up(run, tmp_path / "data", port=port)
    for name, pid in first.services.items():
        assert re.search(rf"^{name} +http://\S+ +{pid} ", first.said, re.MULTILINE), first.said
    assert f"Ready: http://localhost:{port}" in first.said
    assert max(map(len, printed_commands(first.said).splitlines())) <= 80
    readme = README.read_text("utf-8").replace("http://localhost:8080", f"http://localhost:{port}")
    commands = re.split(r"^# .*\n", printed_commands(first.said), flags=re.MULTILINE)[1:]
    assert len(commands) == 3
    assert all(command.strip() in readme for command in commands)
    registered, called = re.findall(r"\{.*?\}(?=\{|$)", shell(printed_commands(first.said)))
    assert json.loads(called)["name"] == "Ada"
    assert json.loads(called)["sub"] == json.loads(registered)["sub"]
    key_set = shell(f"curl -s http://localhost:{port}/.well-known/jwks.json")
    assert first.end(signal.SIGTERM) == 0
    assert "Stopped. Accounts, orders and keys are kept." in first.said

    second = up(run, tmp_path / "data", port=port)
    login_and_call = printed_commands(second.said)
    login_and_call = login_and_call[login_and_call.index("# log in") :]
    assert json.loads(shell(login_and_call))["sub"] == json.loads(registered)["sub"]
    assert shell(f"curl -s http://localhost:{port}/.well-known/jwks.json") == key_set
    assert second.end(signal.SIGINT) == 0


def test_ctrl_c_ends_each_process_once_and_cleanly(tmp_path: Path, processes: "Processes") -> None:
    """The terminal's signal reaches the command alone, however often it is sent; each service ends in its own time."""
    signet = Path(sys.executable).with_name("signet")
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - another process
        os.execv(signet, [str(signet), "up", "--port", str(free_ports(1)[0]), "--data", str(tmp_path / "data")])
    said = b""
    while b'Bearer $TOKEN"' not in said:
        said += os.read(terminal, 4096)
    services = processes.services_of(pid)
    assert sorted(services) == sorted(SERVICES)
    os.write(terminal, b"\x03")
    while b"Stopping" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    while b"Stopped" not in said:
        said += os.read(terminal, 4096)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"Stopped. Accounts, orders and keys are kept." in said
    assert not any(map(processes.alive, services.values()))
    for name in SERVICES:
        log = (tmp_path / "data" / "logs" / f"{name}.log").read_text("utf-8")
        events = [json.loads(line)["event"] for line in log.splitlines()]
        assert events.count("Shutting down") == 1, log
        assert events.count("Application shutdown complete.") == 1, log


def test_a_process_that_ends_by_itself_ends_the_rest(run: "RunCommand", tmp_path: Path, processes: "Processes") -> None:
    """Nothing is restarted silently: the command names who ended, how, and its last words, and exits with 1."""
    command = up(run, tmp_path / "data")
    services = command.services
    os.kill(services["orders"], signal.SIGKILL)
    assert command.process.wait(30) == 1
    assert f"signet: orders (process {services['orders']}) ended by itself, by SIGKILL." in command.said
    assert "Application startup complete." in command.said
    assert "Traceback" not in command.said
    assert not any(map(processes.alive, services.values()))


def test_a_signal_while_it_starts_leaves_nothing(run: "RunCommand", tmp_path: Path, processes: "Processes") -> None:
    """SIGTERM before it is ready ends what has started, with status 0."""
    command = run("up", "--port", str(free_ports(1)[0]), "--data", str(tmp_path / "data"))
    assert processes.eventually(lambda: len(command.services) >= 3)
    services = command.services
    assert command.end(signal.SIGTERM) == 0
    assert "Stopped before it was ready." in command.said
    assert not any(map(processes.alive, services.values()))


def test_a_taken_port_is_said_in_a_sentence(run: "RunCommand", tmp_path: Path) -> None:
    """The port and the option are named, and the exit status is 1."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = run("up", "--port", str(port), "--data", str(tmp_path / "data"))
        assert command.process.wait(30) == 1
    assert f"signet: Port {port} is already in use on 127.0.0.1. Choose another one with --port." in command.said
    assert "Traceback" not in command.said


@pytest.mark.parametrize("data", ["/dev/null/data", "/proc/signet"])
def test_data_that_cannot_be_written_is_said_in_a_sentence(run: "RunCommand", data: str) -> None:
    """No trace, and the place is named."""
    command = run("up", "--port", str(free_ports(1)[0]), "--data", data)
    assert command.process.wait(30) == 1
    assert data in command.said
    assert "Traceback" not in command.said
