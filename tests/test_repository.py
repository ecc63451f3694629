"""What is in the repository, and what must never be."""

import base64
import binascii
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.running_system import ROOT

LOCKS = sorted(ROOT.rglob("*.lock"))
LOCKS = [lock for lock in LOCKS if lock.name in {"requirements.lock", "build-tools.lock"} and ".venv" not in lock.parts]


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_gate_is_a_script() -> None:
    """`.ci/run` is executable, is sound bash, requires the containers, and calls the commands that the README names."""
    gate = ROOT / ".ci" / "run"
    assert gate.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", gate], check=True)
    text = gate.read_text("utf-8")
    assert "set -euo pipefail" in text
    for command in ("STACK=compose POSTGRES=required BROWSER=required make test", "make demo"):
        assert re.search(rf"^{command}$", text, re.MULTILINE), command
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "`make test`" in readme
    assert "`make demo`" in readme


def test_the_workflow_runs_the_same() -> None:
    """The workflow for GitHub runs the commands of the gate, with the containers required."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    for command in ("make test", "make demo"):
        assert re.search(rf"run: {command}$", text, re.MULTILINE), command
    assert re.search(r"STACK: compose$", text, re.MULTILINE)
    assert re.search(r"POSTGRES: required$", text, re.MULTILINE)
    assert re.search(r"BROWSER: required$", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=[str(lock.relative_to(ROOT)) for lock in LOCKS])
def test_locks_have_hashes_and_no_addresses(lock: Path) -> None:
    """Every pinned package has its hashes, and no lock names an index or any other address."""
    text = lock.read_text("utf-8")
    assert not re.search(r"https?://|--(extra-)?index|--find-links|--trusted-host", text)
    pins = [entry for entry in re.split(r"\n(?=\S)", text) if "==" in entry.split("\n")[0]]
    assert pins
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_each_image_has_a_lock() -> None:
    """The whole workspace, its tools, what each image installs, and the peers that benchmarks install have a lock."""
    names = {str(lock.relative_to(ROOT)) for lock in LOCKS}
    images = {
        f"{package}/requirements.lock"
        for package in ("services/auth", "services/profile", "services/orders", "gateway", "comparison", "deploy/tls")
    }
    assert names == {"requirements.lock", "build-tools.lock", "benchmarks/peers/requirements.lock"} | images


def test_no_key_in_the_repository() -> None:
    """No tracked file holds a private key, as PEM or as a JWK."""
    pem = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
    jwk = re.compile(rb'"d"\s*:\s*"[A-Za-z0-9_-]{40,}"')
    assert [path for path in tracked() if pem.search(content := path.read_bytes()) or jwk.search(content)] == []


def test_no_token_in_the_repository() -> None:
    """No tracked file outside documents and tests holds anything that reads as a JWT."""
    found = []
    for path in tracked():
        parts = path.relative_to(ROOT).parts
        if "docs" in parts or "tests" in parts:
            continue
        for candidate in re.findall(rb"\b(eyJ[A-Za-z0-9_-]{8,})\.[A-Za-z0-9_-]+\.", path.read_bytes()):
            try:
                header = json.loads(base64.urlsafe_b64decode(candidate + b"=" * (-len(candidate) % 4)))
            except (ValueError, binascii.Error):
                continue
            if "alg" in header:
                found.append(path)
    assert found == []


def test_nothing_of_a_run_is_tracked() -> None:
    """No database, no data directory, no environment and no generated lock with addresses is tracked."""
    names = {str(path.relative_to(ROOT)) for path in tracked()}
    kept = re.compile(r"(^|/)(\.signet|\.venv|__pycache__)/|\.(db|sqlite|pem|key)(-wal|-shm)?$|^uv\.lock$")
    assert [name for name in names if kept.search(name)] == []
