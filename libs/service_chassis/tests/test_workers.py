"""A service in several processes, as it is run."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

PROGRAM = """
import asyncio, os, pathlib, time, uuid
from contextlib import asynccontextmanager
from fastapi import FastAPI
from service_chassis.fit_out import observe, take_json
from service_chassis.logs import configure_logging
from service_chassis.process import serve
from service_chassis.server import WAKE
from service_chassis.settings import ProcessSettings

broken = pathlib.Path("broken")

async def prepare():
    with open("prepared", "a") as file:
        file.write(f"{os.getpid()}\\n")
    if pathlib.Path("locked").exists():
        raise PermissionError(13, "Permission denied", "/the/key")
    if pathlib.Path("waits").exists():
        await asyncio.to_thread(time.sleep, 600)

def make_app():
    woken = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_):
        while pathlib.Path("slow").exists():
            await asyncio.sleep(0.02)
        if broken.exists():
            raise OSError("no database")
        yield {WAKE: woken.set}

    app = FastAPI(lifespan=lifespan)

    @app.get("/wait")
    async def wait():
        pathlib.Path(f"{uuid.uuid4()}.waits-at-{os.getpid()}").touch()
        await asyncio.wait_for(woken.wait(), 60)
        return "woken"

    @app.get("/work")
    async def work():
        pathlib.Path("at-work").touch()
        while not pathlib.Path("finish").exists():
            await asyncio.sleep(0.02)
        return "done"

    take_json(app)
    observe(app, readiness={})
    return app

configure_logging("service", "INFO")
serve(make_app, ProcessSettings(), prepare=prepare)
"""


class Service:
    """The program above, running in a folder of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder = folder
        self.workers = workers
        environment = {"PATH": os.defpath, "SIGNET_PORT": str(self.port), "SIGNET_WORKERS": str(workers)}
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=folder, env=environment, stderr=log)

    def get(self, path: str) -> httpx.Response:
        """Ask on a connection of its own."""
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False, timeout=30)

    def answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.get("/healthz").status_code == 200
        return False

    def takes_connections(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except ConnectionRefusedError:
            return False
        return True

    def pids(self, number: int) -> set[int]:
        """Return the workers that answer, having asked until there were so many."""
        seen: set[int] = set()

        def ask() -> bool:
            with contextlib.suppress(httpx.TransportError):  # whoever was about to answer may just have been killed
                seen.add(int(self.get("/readyz").json()["worker"]))
            return len(seen) >= number

        eventually(ask)
        return seen


def eventually(claim: Callable[[], bool], within: float = 90) -> None:
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Tell whether a process is there and is not merely the remains of one that nobody has asked after."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def running(folder: Path, workers: int) -> Iterator[Service]:
    service = Service(folder, workers)
    try:
        eventually(service.answers)
        yield service
    finally:
        service.process.kill()
        service.process.wait()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run one service of two workers for those tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("service"), 2) as service:
        yield service


def test_fresh_connections_reach_every_worker_and_what_comes_first_came_once(service: Service) -> None:
    """Two workers share one port, neither is the parent, and it alone prepared."""
    pids = service.pids(2)
    assert service.process.pid not in pids
    assert (service.folder / "prepared").read_text() == f"{service.process.pid}\n"


def test_a_worker_that_dies_is_replaced(service: Service) -> None:
    """The other serves meanwhile; the parent says who ended and how."""
    killed, other = service.pids(2)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in (now := service.pids(2)) and other in now)
    assert f'"worker": {killed}, "status": -9' in service.log.read_text()


def test_a_replacement_that_does_not_start_is_tried_again(service: Service) -> None:
    """As long as another serves, a passing fault at the start of one worker ends nobody."""
    killed, other = service.pids(2)
    (service.folder / "broken").touch()
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: service.log.read_text().count("worker_did_not_start") >= 2)
    assert service.pids(1) == {other}
    (service.folder / "broken").unlink()
    assert other in service.pids(2)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_wakes_whoever_waits_and_each_gets_a_whole_answer(tmp_path: Path, workers: int) -> None:
    """Requests that would wait for a minute are let go at once, at every worker, and then all processes end."""
    with running(tmp_path, workers) as service:
        wait_everywhere_and_end(service)


def wait_everywhere_and_end(service: Service) -> None:
    workers = service.pids(service.workers)
    with ThreadPoolExecutor(64) as threads:
        answers: list[Future[httpx.Response]] = []
        asked: list[int] = []

        def all_are_asked() -> bool:
            asked[:] = [int(file.name.rpartition("-")[2]) for file in service.folder.glob("*.waits-at-*")]
            return len(asked) == len(answers)

        while set(asked) != workers:
            answers.append(threads.submit(service.get, "/wait"))
            eventually(all_are_asked)
        service.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert {answer.result().text for answer in answers} == {'"woken"'}
        assert service.process.wait(60) == -signal.SIGTERM
    assert time.monotonic() - began < 8
    eventually(lambda: not any(map(runs, workers)))
    assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_who_cannot_serve_takes_no_connection(tmp_path: Path, workers: int) -> None:
    """Neither before the application has started nor while the last requests are answered: clients may go elsewhere."""
    (tmp_path / "slow").touch()
    service = Service(tmp_path, workers)
    try:
        eventually(lambda: "Waiting for application startup" in service.log.read_text())
        assert not service.takes_connections()
        (tmp_path / "slow").unlink()
        eventually(service.answers)
        with ThreadPoolExecutor() as threads:
            last = threads.submit(service.get, "/work")
            eventually((tmp_path / "at-work").exists)
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: not service.takes_connections(), within=8)
            assert service.process.poll() is None
            (tmp_path / "finish").touch()
            assert last.result().json() == "done"
        assert service.process.wait(60) == -signal.SIGTERM
    finally:
        service.process.kill()
        service.process.wait()


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    """A parent that is killed takes its workers with it: none goes on holding the port."""
    with running(tmp_path, 2) as service:
        pids = service.pids(2)
        service.process.kill()
        eventually(lambda: not any(map(runs, pids)))
    socket.create_server(("127.0.0.1", service.port)).close()


def test_sigterm_in_the_middle_of_the_start_ends_it(tmp_path: Path) -> None:
    """However early it comes and however often, the end is an end by SIGTERM with nobody left."""
    service = Service(tmp_path, 2)
    eventually((tmp_path / "prepared").exists)
    for _ in range(3):
        service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == -signal.SIGTERM
    assert "Traceback" not in service.log.read_text()
    assert not service.answers()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_waits_for_others_before_there_is_a_worker_can_be_ended(tmp_path: Path, number: signal.Signals) -> None:
    """By either signal, at once, without a trace, and whatever a thread waits for: a lock on the database, perhaps.

    Also as process 1, which no signal ends that it does not handle.
    """
    (tmp_path / "waits").touch()
    service = Service(tmp_path, 2)
    eventually((tmp_path / "prepared").exists)
    assert _handles(service.process.pid, number)
    service.process.send_signal(number)
    assert service.process.wait(60) == -number
    assert service.log.read_text() == ""


def _handles(pid: int, number: signal.Signals) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_a_service_that_starts_nowhere_ends_with_its_workers_status(tmp_path: Path) -> None:
    """Exit status 3, as with one process, and nobody is left."""
    (tmp_path / "broken").touch()
    service = Service(tmp_path, 2)
    assert service.process.wait(90) == 3
    assert "no database" in service.log.read_text()
    assert not service.answers()


def test_what_hinders_the_start_is_said_once_and_in_a_sentence(tmp_path: Path) -> None:
    """Exit status 1 before there is any worker."""
    (tmp_path / "locked").touch()
    service = Service(tmp_path, 2)
    assert service.process.wait(90) == 1
    assert service.log.read_text() == "/the/key: Permission denied.\n"
