"""The embedded stack: four real processes, and what becomes of them."""

import os
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from signet.data_directory import DataDirectory, DataInUseError
from signet.environment import SERVICES
from signet.failure import Failure
from signet.ports import PortTakenError, require_free
from signet.stack import EmbeddedStack, StartFailedError

if TYPE_CHECKING:
    from cli.tests.conftest import Processes


def test_each_service_answers_at_its_own_address(stack: EmbeddedStack) -> None:
    """When the stack is entered, each process is ready; their data is their owner's alone."""
    for name in SERVICES:
        ready = httpx.get(f"{stack.service_url(name)}/readyz", trust_env=False)
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert len({stack.process(name).pid for name in SERVICES}) == 4
    assert stat.S_IMODE(stack.data.root.stat().st_mode) == 0o700


def test_each_process_is_a_group_of_its_own_in_one_session(stack: EmbeddedStack) -> None:
    """A terminal's Ctrl-C passes them by; and auth, whose every thread is nicer by 5, gives way to all the others."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for name in SERVICES:
        pid = stack.process(name).pid
        assert (os.getpgid(pid), os.getsid(pid)) == (pid, os.getsid(0))
        threads = Path(f"/proc/{pid}/task")
        each = [int(thread.name) for thread in threads.iterdir()] if threads.exists() else [pid]
        nice = {os.getpriority(os.PRIO_PROCESS, thread) for thread in each}
        assert nice == {min(19, own + 5 * (name == "auth"))}


def test_nothing_of_where_it_is_started_reaches_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy or a setting that happens to be set, nor a file that is named like a module."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SIGNET_ISSUER", "http://elsewhere.example")
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///elsewhere.db")
    (tmp_path / "uvicorn.py").write_text("raise SystemExit('taken from the current directory')\n")
    monkeypatch.chdir(tmp_path)
    with EmbeddedStack(tmp_path / "data") as other:
        issuer = httpx.get(f"{other.url}/.well-known/oauth-authorization-server", trust_env=False).json()["issuer"]
        environments = [Path(f"/proc/{other.process(name).pid}/environ") for name in SERVICES]
        handed_on = "".join(each.read_text("utf-8") for each in environments if each.exists())
    assert issuer == other.url
    assert "PROXY" not in handed_on


def test_a_service_that_was_stopped_killed_or_restarted_comes_back_at_its_address(stack: EmbeddedStack) -> None:
    """Stop, kill, start and restart do what they say, and a service that is down is 502 at the door."""
    before = stack.process("profile").pid
    stack.stop("profile")
    assert stack.process("profile").poll() is not None
    assert httpx.get(f"{stack.url}/api/profile", trust_env=False).status_code == 502
    stack.start("profile")
    stack.kill("profile")
    assert stack.process("profile").poll() == -9
    stack.start("profile", until="alive")
    stack.restart("profile")
    assert stack.process("profile").pid != before
    assert httpx.get(f"{stack.url}/api/profile", trust_env=False).status_code == 401
    assert stack.logs("profile").count("Application startup complete") >= 3


def test_starting_what_runs_already_is_refused(stack: EmbeddedStack) -> None:
    """No service runs twice."""
    with pytest.raises(Failure, match="orders is running already"):
        stack.start("orders")


def test_a_service_that_ends_while_starting_is_named_with_its_last_words(tmp_path: Path) -> None:
    """The failure says who ended and how, shows its log's end, and leaves nothing running."""
    faulty = EmbeddedStack(tmp_path / "data", environment={"orders": {"SIGNET_LOG_LEVEL": "LOUD"}})
    with pytest.raises(StartFailedError, match=r"orders ended while it started, with status 2\.") as failure:
        faulty.__enter__()
    assert "SIGNET_LOG_LEVEL" in failure.value.excerpt
    assert all(faulty.process(name).poll() is not None for name in SERVICES)


def test_a_service_that_does_not_become_ready_is_named_with_what_it_lacks(
    stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure says what is missing, in the service's own words."""
    stack.stop("auth")
    stack.stop("profile")
    (stack.data.of("profile") / "key-set.json").unlink()
    stack.start("profile", until="alive")
    with monkeypatch.context() as impatience:
        impatience.setattr(stack, "_start_seconds", 0.5)
        with pytest.raises(StartFailedError, match=r"profile did not become ready within 0\.5 s: keys: "):
            stack._wait_until("ready", ["profile"])
    stack.start("auth")
    stack.restart("profile")


def test_one_directory_serves_one_stack(stack: EmbeddedStack) -> None:
    """A second stack on the same data is refused, and told who has it."""
    with pytest.raises(DataInUseError, match=rf"in use by another `signet up` \(process {os.getpid()}\).*--data"):
        EmbeddedStack(stack.data.root).__enter__()


def test_a_taken_port_is_noticed_before_anything_starts(tmp_path: Path, stack: EmbeddedStack) -> None:
    """The failure names the port and the option, and nothing was started."""
    taken = stack.addresses.ports["gateway"]
    with pytest.raises(PortTakenError, match=rf"Port {taken} is already in use.*--port"):
        EmbeddedStack(tmp_path / "data", gateway_port=taken).__enter__()
    assert not (tmp_path / "data" / "logs").exists()


def test_a_port_is_taken_when_localhost_leads_elsewhere() -> None:
    """What listens on localhost's IPv6 address alone would be reached instead of the door."""
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        other.listen()
        with pytest.raises(PortTakenError, match="::1"):
            require_free("127.0.0.1", other.getsockname()[1])


def test_no_service_outlives_a_parent_that_was_killed(tmp_path: Path, processes: "Processes") -> None:
    """After SIGKILL, which leaves no time to clean up, all four end by themselves, and the data is free again."""
    program = f"""
        import pathlib, time
        from signet.stack import EmbeddedStack
        with EmbeddedStack(pathlib.Path({str(tmp_path / "data")!r})):
            print("ready", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        services = processes.services_of(parent.pid)
        assert sorted(services) == sorted(SERVICES)
        parent.kill()
    assert processes.all_end(list(services.values()))

    def is_free() -> bool:
        try:
            with DataDirectory(tmp_path / "data"):
                return True
        except DataInUseError:
            return False

    # A process that is over may have threads that are still ending, and until then it holds the lock.
    assert processes.eventually(is_free)


def test_the_data_stays_locked_until_the_last_orphan_has_ended(tmp_path: Path, processes: "Processes") -> None:
    """Two generations of services never write to the same data, even when the first one's parent was killed."""
    (tmp_path / "stubborn.py").write_text("import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(60)\n")
    program = f"""
        import pathlib, sys
        from signet.data_directory import DataDirectory
        from signet.service_process import ServiceProcess
        data = DataDirectory(pathlib.Path({str(tmp_path / "data")!r})).__enter__()
        process = ServiceProcess("stubborn", module="stubborn", environment={{"PYTHONPATH": {str(tmp_path)!r}}},
                                 log=data.root / "log", lock=data.lock)
        process.start()
        print(process.popen.pid, flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        stubborn = int(parent.stdout.readline())
        parent.kill()
    assert processes.alive(stubborn)
    with pytest.raises(DataInUseError):
        EmbeddedStack(tmp_path / "data").__enter__()
    # It ignores SIGTERM, so it is cut off when its grace is over.
    assert processes.all_end([stubborn])
