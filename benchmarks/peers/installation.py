"""Installs the peers: from npm and PyPI into `.bench/`, by the locks beside this file, from Debian where it may.

What cannot be had is known by its reason, and is missing in the report by name.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers import Missing

HERE = Path(__file__).parent
PLACE = HERE.parents[1] / ".bench"
NPM = PLACE / "npm"
PYTHON = PLACE / "python"
NPM_FILES = ("package.json", "package-lock.json")
INSTALL_SECONDS = 600

# The nearest of these is taken. None of them is started by its installation.
DEBIAN = {"wrk": ("wrk",), "nginx": ("nginx-light",), "redis-server": ("valkey-server", "redis-server")}
_ALSO_CALLED = {"redis-server": ("valkey-server",)}


@functools.cache
def node() -> tuple[Path, dict[str, str]]:
    """Return Node.js, and the environment in which it finds the peers' packages. Raises Missing."""
    program = shutil.which("node")
    npm = shutil.which("npm")
    if program is None or npm is None:
        raise Missing("there is no Node.js with npm")
    install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(NPM)]
    _install_once(NPM, NPM_FILES, [["cp", *(str(HERE / name) for name in NPM_FILES), str(NPM)], install])
    return Path(program), {"NODE_PATH": str(NPM / "node_modules")}


@functools.cache
def python_program(name: str) -> Path:
    """Return a program of the peers' own Python environment: `python`, `caddy`, `traefik`. Raises Missing."""
    python = PYTHON / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "--no-deps",
           "-r", str(HERE / "requirements.lock")]  # fmt: skip
    _install_once(PYTHON, ("requirements.lock",), [[sys.executable, "-m", "venv", str(PYTHON)], pip])
    program = python.with_name(name)
    if not program.exists():
        raise Missing(f"its package installs no {name}")
    return program


@functools.cache
def debian_program(name: str) -> Path:
    """Return an installed program, installing it first where this process may. Raises Missing."""
    found = _find(name)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # RUNLEVEL: what starts services at their installation starts none in "single user". [invoke-rc.d(8)]
        environment = {"PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (
            ["apt-get", "update", "-qq"],
            *(["apt-get", "install", "-qq", "-y", "--no-install-recommends", package] for package in DEBIAN[name]),
        ):
            if _find(name) is None:
                subprocess.run(command, env=environment, capture_output=True, timeout=INSTALL_SECONDS, check=False)  # noqa: S603
        found = _find(name)
    if found is None:
        raise Missing(f"{name} is not installed: Debian has it as {' or '.join(DEBIAN[name])}")
    return found


_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))


def _find(name: str) -> Path | None:
    for each in (*_ALSO_CALLED.get(name, ()), name):
        if found := shutil.which(each, path=_PATH) or shutil.which(each):
            return Path(found)
    return None


def _install_once(place: Path, locks: Sequence[str], commands: Sequence[Sequence[str]]) -> None:
    """Install into a folder unless that was done from the same locks; from others, anew. Raises Missing."""
    stamp = place / "installed-from"
    contents = "".join((HERE / lock).read_text("utf-8") for lock in locks)
    if stamp.is_file() and stamp.read_text("utf-8") == contents:
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)  # noqa: S603
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise Missing(f"its installation failed: {said[-1] if said else done.returncode}")
    stamp.write_text(contents, "utf-8")
