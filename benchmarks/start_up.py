"""How long it takes until `signet up` is ready, beside how long single servers take; and how large the images are."""

import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.findings import Findings, Plot, Table
from benchmarks.gateways import GATEWAYS
from benchmarks.gateways import SIGNET as GATEWAY
from benchmarks.peers.credentials import issuing
from benchmarks.resource_servers import BASE, BY_TOKEN
from benchmarks.resource_servers import SIGNET as PROFILE
from benchmarks.servers import START_SECONDS, Missing, Server, free_port, running

TITLE = "Starting, and the size of images"
FIRST, AGAIN = "Signet, all four: `signet up`, for the first time", "Signet, all four: `signet up`, again"
IMAGES = ("auth", "profile", "orders", "gateway")
PYTHON_IMAGE = "python:3.13-slim-trixie"
"""What they are made from."""


def measure(*, quick: bool) -> Findings:
    """Start everything a few times, in turns, each when nothing else runs."""
    seen: dict[str, list[float]] = {}
    lacking: dict[str, str] = {}
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="signet-bench-")))
        issuer = held.enter_context(issuing(folder))
        starts: Mapping[str, Callable[[], Server]] = {
            **{name: partial(make, issuer, folder) for name, make in BY_TOKEN.items()},
            **{name: partial(make, folder, issuer_port(issuer.address)) for name, make in GATEWAYS.items()},
        }
        if quick:
            starts = {name: make for name, make in starts.items() if name in {BASE, PROFILE, GATEWAY}}
        for _ in range(1 if quick else 5):
            data = folder / secrets.token_hex(4)
            seen.setdefault(FIRST, []).append(_up(data))
            seen.setdefault(AGAIN, []).append(_up(data))
            for name, make in starts.items():
                try:
                    with running(make(), folder, core=None, name="started") as process:
                        seen.setdefault(name, []).append(process.start_seconds)
                except Missing as fault:
                    lacking[name] = str(fault)
    seconds = {name: statistics.median(each) for name, each in seen.items() if name not in lacking}
    return Findings(
        figures=[
            Figure("`signet up` until it is ready, for the first time", f"{seconds[FIRST]:.1f} s",
                   "at most 5 s (aim 2 s)", kept=seconds[FIRST] <= 5),
            Figure("`signet up` until it is ready, again", f"{seconds[AGAIN]:.1f} s"),
        ],
        tables=[_started(seconds, lacking), _images()],
        plots=[Plot("start-up", "Seconds until the first answer", "s", bars=seconds)],
        notes=["Each starts alone, with both cores: servers until they answer, `signet up` until it says so of all."],
    )  # fmt: skip


def issuer_port(address: str) -> int:
    """Return the port of an address: somebody who answers, for a gateway to stand before."""
    return int(address.rpartition(":")[2])


def _up(data: Path) -> float:
    """Return how many seconds it takes until `signet up` says that it is ready. RuntimeError if it never does."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("signet"),
        "up",
        "--data",
        data,
        "--port",
        str(free_port()),
    ]
    environment = {"PATH": os.defpath, "HOME": str(data.parent), "PYTHONUNBUFFERED": "1"}
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Ready:"):
                    return time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=START_SECONDS)
    raise RuntimeError(f"signet up ended with status {process.returncode}, and was never ready")


def _started(seconds: Mapping[str, float], lacking: Mapping[str, str]) -> Table:
    base = seconds.get(BASE)
    rows = [
        (name, f"{taken:.2f}", "-" if base is None else f"{taken / base:.1f}") for name, taken in seconds.items()
    ] + [(name, f"not measured: {why}", "-") for name, why in lacking.items()]
    return Table("Until the first answer", ("who", "seconds", f"× {BASE}"), rows)


def _images() -> Table:
    """Return the sizes of the newest images that compose has built here, and of what they are made from."""
    columns, title = ("image", "MB", f"× {PYTHON_IMAGE}"), "Images"
    docker = shutil.which("docker")
    if docker is None:
        return Table(title, columns, [("all", "not measured: there is no docker command", "-")])
    base = _size(docker, PYTHON_IMAGE)
    rows = [(PYTHON_IMAGE, _megabytes(base), "1.0")]
    for name in IMAGES:
        asked = ["image", "ls", "-q", "--filter", f"label=com.docker.compose.service={name}"]
        found = _docker(docker, *asked).split()
        size = _size(docker, found[0]) if found else None
        rows.append((name, _megabytes(size), f"{size / base:.1f}" if size and base else "-"))
    return Table(title, columns, rows)


def _size(docker: str, image: str) -> int | None:
    said = _docker(docker, "image", "inspect", "-f", "{{.Size}}", image).strip()
    return int(said) if said.isdigit() else None


def _megabytes(size: int | None) -> str:
    return "not measured: it is not built here, or no engine answers" if size is None else f"{size / 1e6:.0f}"


def _docker(docker: str, *arguments: str) -> str:
    """Return what it prints: nothing, when no engine answers or it has no such image."""
    try:
        done = subprocess.run([docker, *arguments], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""
