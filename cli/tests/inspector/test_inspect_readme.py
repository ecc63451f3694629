"""The README's section "Inspect", as it is printed, and the document on the inspector."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from signet.stack import EmbeddedStack

if TYPE_CHECKING:
    from cli.tests.inspector.conftest import Inspect

ROOT = Path(__file__).resolve().parents[3]


def test_its_commands_work_as_printed(stack: EmbeddedStack) -> None:
    """Both commands, run as they stand there with the token of a login: no faults, and accepted."""
    account = {"email": "lin@example.org", "password": "seven levers and a spring", "name": "Lin"}
    httpx.post(f"{stack.url}/register", json=account, trust_env=False).raise_for_status()
    login = {name: account[name] for name in ("email", "password")}
    answer = httpx.post(f"{stack.url}/login", json=login, trust_env=False).raise_for_status()

    section = re.search(r"^## Inspect$(.*?)^## ", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert section
    blocks = re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    script = "\n".join(blocks).replace("http://localhost:8080", stack.url)
    ended = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script.replace('.venv/bin/', f'{Path(sys.executable).parent}/')}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "TOKEN": answer.json()["access_token"], "LANG": "C.UTF-8"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "No faults found" in ended.stdout
    assert "Accepted, as far as was checked: " in ended.stdout
    assert "urn:signet:orders would let it in" in ended.stdout


def test_the_document_names_every_fault(inspect: "Inspect") -> None:
    """docs/inspector.md lists each code that the inspector knows, with its severity, and no other."""
    text = (ROOT / "docs" / "inspector.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?`) \| (error|warning) \|", text, re.MULTILINE)
    listed = {(severity, code) for codes, severity in rows for code in re.findall(r"`(\w+)`", codes)}
    source = "".join(path.read_text("utf-8") for path in (ROOT / "cli/src/signet/inspector").glob("*.py"))
    known = set(re.findall(r"\b(error|warning)\(\s*\"(\w+)\"", source))
    weaknesses = re.search(r"_WEAKNESSES: .*?\n}\n", source, re.DOTALL)
    assert weaknesses
    known |= {("error", code) for code in re.findall(r'\("(\w+)",', weaknesses[0])}
    known |= {("warning", f"{member}_missing") for member in ("use", "alg")}
    known |= {("error", "kid_doubled"), ("warning", "key_doubled")}
    assert listed == known
