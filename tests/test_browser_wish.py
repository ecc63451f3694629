"""Where there is no browser: what `make test` says of it, and what it takes to make that a failure."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.running_system import ROOT


def run(wish: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/browser/test_token_panel.py"]
    environment = {"PATH": str(path), "BROWSER": wish, "STACK": "embedded", "POSTGRES": "off"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("wish", ["", "required"])
def test_a_missing_browser_is_never_passed_over_in_silence(tmp_path: Path, wish: str) -> None:
    """Unasked the tests are skipped and the summary says why; required, nothing runs at all."""
    said = run(wish, tmp_path)
    assert "Chromium is not installed" in said.stdout + said.stderr
    if wish:
        assert said.returncode == pytest.ExitCode.USAGE_ERROR
    else:
        assert "The tests in a browser were not run" in said.stdout
        assert said.returncode == pytest.ExitCode.OK
