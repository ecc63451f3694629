"""The server that tests run on: either kind answers, and neither outlives the tests, however those end."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.postgresql_plugin import Databases
from tests.postgresql_server import Server, container_server, installed_server, local_server, why_no_container
from tests.running_system import ROOT, eventually

KINDS = [
    pytest.param(
        container_server, id="container", marks=pytest.mark.skipif(bool(why_no_container()), reason="no image")
    ),
    pytest.param(
        local_server, id="installed", marks=pytest.mark.skipif(installed_server() is None, reason="none is installed")
    ),
]

STORE_TESTS = "libs/service_chassis/tests/test_database.py"

PROGRAM = """
import sys, time
from tests import postgresql_server
with getattr(postgresql_server, sys.argv[1])() as server:
    print(server.port, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that a server's own user can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def answers(port: int) -> bool:
    from tests.postgresql_server import _answers  # noqa: PLC0415 -- the question that the module itself asks

    return _answers(port)


@pytest.mark.parametrize("start", KINDS)
def test_a_server_gives_databases_and_ends(start: Callable[[], AbstractContextManager[Server]]) -> None:
    """A database is made, copied and dropped; after the block nobody answers any more."""
    with start() as server:
        databases = Databases(server)
        names = [databases.new(), databases.new()]
        assert len(set(names)) == 2
        for name in names:
            databases.drop(name)
        databases.close()
        assert server.password not in repr(server)
    assert not answers(server.port)


@pytest.mark.parametrize("start", KINDS)
def test_a_server_does_not_outlive_tests_that_are_killed(start: Callable[[], object], open_folder: Path) -> None:
    """SIGKILL, which nobody can answer: the server ends all the same, and leaves no folder and no container."""
    environment = dict(os.environ) | {"TMPDIR": str(open_folder), "PYTHONPATH": str(ROOT)}  # noqa: TID251 -- handed on
    name = getattr(start, "__name__", "")
    tests = subprocess.Popen([sys.executable, "-c", PROGRAM, name], stdout=subprocess.PIPE, text=True, env=environment)
    assert tests.stdout is not None
    port = int(tests.stdout.readline())
    assert answers(port)
    os.kill(tests.pid, signal.SIGKILL)
    tests.wait()
    tests.stdout.close()
    eventually(lambda: not answers(port))
    eventually(lambda: not any(folder.is_dir() and any(folder.iterdir()) for folder in open_folder.iterdir()))


def collect(wish: str) -> subprocess.CompletedProcess[str]:
    """Let pytest look at a store's tests on a machine that has neither engine nor server."""
    environment = {
        "PATH": os.defpath,
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
        "POSTGRES": wish,
        "STACK": "embedded",
    }
    program = (
        "import sys, pytest\nfrom tests import postgresql_server\n"
        "postgresql_server.installed_server = lambda: None\nsys.exit(pytest.main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "--collect-only", "-q", "-p", "no:cacheprovider", STORE_TESTS],
        cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_missing_server_is_said() -> None:
    """Stores are tested on SQLite, and one line says that PostgreSQL was not run, and why."""
    ended = collect("")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "[sqlite]" in ended.stdout
    assert ended.stdout.count("PostgreSQL was not run: ") == 1


@pytest.mark.parametrize(
    ("wish", "sentence"), [("required", "POSTGRES=required asks for a server, but "), ("no", "can be")]
)
def test_a_missing_server_is_a_failure_when_it_was_asked_for(wish: str, sentence: str) -> None:
    """So is a misspelled wish."""
    ended = collect(wish)
    assert ended.returncode != 0
    assert sentence in ended.stdout + ended.stderr
