"""What the documents say is so: commands work as printed, and whatever they name is there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.running_system import ROOT, SIGNET, System

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
MEMBERS_READMES = sorted(
    path for folder in ("libs", "services", "gateway", "comparison") for path in (ROOT / folder).rglob("README.md")
)

COUNTING_CURL = r"""
curl() { command curl -w '%{stderr}STATUS %{http_code}\n' "$@"; }
"""


def tried_blocks() -> list[str]:
    """Return the `sh` blocks under "Try it", in order."""
    text = (ROOT / "README.md").read_text("utf-8")
    section = re.search(r"^## Try it$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section
    return re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)


def test_the_commands_work_as_printed(system: System) -> None:
    """Every command under "Try it" runs as printed, in one session, and every answer is the one that is told."""
    blocks = tried_blocks()
    assert len(blocks) >= 5
    script = "\n".join(blocks)
    ended = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{COUNTING_CURL}\n{script.replace('http://localhost:8080', system.url)}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    statuses = [int(status) for status in re.findall(r"STATUS (\d+)", ended.stderr)]
    assert len(statuses) == len(re.findall(r"\bcurl ", script))
    # Two ask without a token and with one that was changed; then somebody logs in, logs out, and is refused; the other
    # login goes on.
    assert {status // 100 for status in statuses[:-6]} == {2}
    assert statuses[-6:] == [401, 401, 200, 200, 401, 200]
    assert '"reason": "no_credentials"' in ended.stdout
    assert '"reason": "bad_signature"' in ended.stdout
    assert '"reason": "login_ended"' in ended.stdout
    assert '"alg"' in ended.stdout
    token = re.search(r'"sid":', ended.stdout)
    assert token


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("document", DOCUMENTS + MEMBERS_READMES, ids=ids(DOCUMENTS + MEMBERS_READMES))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link leads to a file or folder that exists, and to a heading in it if it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        found = (document.parent / path) if path else document
        assert found.exists(), target
        if heading:
            assert heading in headings(found), target


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(document: Path) -> set[str]:
    lines = re.findall(r"^#+ (.+)$", without_code(document.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids(DOCUMENTS))
def test_paths_are_there(document: Path) -> None:
    """Every path of the repository that a document names in code exists."""
    top = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    for name in re.findall(r"`([\w.-]+/[\w./-]*)`", document.read_text("utf-8")):
        if name.split("/")[0] in top:
            assert (ROOT / name).exists(), name


def mentions(pattern: str) -> Iterator[tuple[Path, str]]:
    """Return what a pattern finds in the documents' code, spans and blocks alike."""
    for document in DOCUMENTS + MEMBERS_READMES:
        text = document.read_text("utf-8")
        code = re.findall(r"^```.*?^```$|`[^`\n]+`", text, re.MULTILINE | re.DOTALL)
        for found in re.findall(pattern, "\n".join(code)):
            yield document, found


def test_make_targets_exist() -> None:
    """Every `make` target that a document names is one that `make help` explains."""
    explained = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make (\w+)", explained, re.MULTILINE))
    named = set(mentions(r"(?:^|[\s`=])make ([a-z]+)"))
    assert {"up", "demo", "test", "check"} <= targets
    assert {target for _, target in named} >= {"demo", "test", "up"}
    assert [(document.name, target) for document, target in named if target not in targets] == []


def test_signet_commands_exist() -> None:
    """Every `signet` command that a document names appears in `signet --help`."""
    commands = set(re.findall(r"│ (\w+) ", help_of()))
    assert commands >= {"up", "demo", "admin"}
    for document, command in mentions(r"(?:^|[\s`/])signet ([a-z]+(?: [a-z]+)?)\b"):
        first, _, second = command.partition(" ")
        assert first in commands, (document.name, command)
        if second and first == "admin":
            assert second in help_of(first), (document.name, command)


def help_of(*command: str) -> str:
    environment = {"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [SIGNET, *command, "--help"], capture_output=True, text=True, check=True, env=environment
    ).stdout


def test_endpoints_are_those_of_the_door(system: System) -> None:
    """The README's table of endpoints is the merged OpenAPI's, method by method."""
    text = (ROOT / "README.md").read_text("utf-8")
    table = set(re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/\S*)` \|", text, re.MULTILINE))
    document = system.get("/docs/openapi.json").json()
    served = {
        (method.upper(), re.sub(r"\{\w*id\}", "{id}", path))
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }
    assert table == served | {("GET", "/"), ("GET", "/docs")}
