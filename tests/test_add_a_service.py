"""CONTRIBUTING.md's third resource server: built from the library's wheel, started, called, and given a way through."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from tests.running_system import ROOT, EmbeddedSystem, Person, eventually, problem

from signet.ports import free_ports

SECTION = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Add a service\n")[2]
UV = Path(sys.executable).with_name("uv")
MEMBERS = re.findall(r"^MEMBERS := (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[0].split()


def blocks(language: str) -> list[str]:
    """Return the section's blocks in a language, as a reader copies them."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", SECTION, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def inherited() -> dict[str, str]:
    names = ("PATH", "HOME", "UV_CACHE_DIR", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "SSL_CERT_FILE")
    return {name: os.environ[name] for name in names if name in os.environ}  # noqa: TID251 -- handed on, not read


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSystem]:
    """Run the system, auth having been told of the new audience in the variable that is printed."""
    ((name, value),) = re.findall(r"`(SIGNET_\w+)='([^']+)'`", SECTION)
    with EmbeddedSystem(tmp_path_factory.mktemp("data"), auth={name: value}) as system:
        yield system


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder that looks like the checkout, with the new service in it as a reader has typed it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in (".venv", "libs", "services"):
        (folder / name).symlink_to(sys.prefix if name == ".venv" else ROOT / name)
    (code,) = blocks("python")
    file = folder / code.splitlines()[0].removeprefix("# ")
    file.parent.mkdir()
    file.write_text(code)
    return folder


@pytest.fixture(scope="module")
def greetings(issuer: EmbeddedSystem, checkout: Path, ada_there: Person) -> Iterator[str]:
    """Install and start the service by the printed commands, at another port; give its URL."""
    install, start, _ = blocks("sh")
    port = free_ports(1)[0]
    assert "8004" in start
    start = start.replace("http://localhost:8080", issuer.url).replace("8004", str(port))
    subprocess.run(["bash", "-euc", install], cwd=checkout, env=inherited(), check=True, timeout=120)
    url = f"http://127.0.0.1:{port}"
    environment = inherited() | {"AUTH": issuer.stack.service_url("auth")}
    call, good = f"{url}/api/greetings", bearer(ada_there.token)
    with running(["bash", "-euc", start], cwd=checkout, env=environment, answers=f"{url}/openapi.json"):
        eventually(lambda: httpx.get(call, headers=good, trust_env=False).status_code != 503)  # it has heard the feed
        yield url


@contextmanager
def running(command: list[str], *, cwd: Path, env: Mapping[str, str], answers: str) -> Iterator[None]:
    """Run a process until the block ends, which begins when a URL is answered."""
    process = subprocess.Popen(command, cwd=cwd, env=env, start_new_session=True)

    def answered() -> bool:
        assert process.poll() is None, "it ended while it started"
        try:
            return httpx.get(answers, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(answered)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def test_the_service_lets_in_whom_it_should(issuer: EmbeddedSystem, greetings: str, ada_there: Person) -> None:
    """401 without a token, 200 with one for it, 401 with one for another service, or of a login that has ended."""
    call = f"{greetings}/api/greetings"
    refused = httpx.get(call, trust_env=False)
    assert problem(refused) == (401, "no_credentials")
    for wishes in ({"resource": "urn:signet:greetings"}, {}):
        greeted = httpx.get(call, headers=bearer(ada_there.fresh_token(**wishes)), trust_env=False)
        assert (greeted.status_code, greeted.json()) == (200, "Hello, Ada!")
    elsewhere = bearer(ada_there.fresh_token(resource="urn:signet:profile"))
    assert problem(httpx.get(call, headers=elsewhere, trust_env=False)) == (401, "wrong_audience")
    narrow = ada_there.fresh_token(resource="urn:signet:greetings")
    assert problem(issuer.get("/api/profile", token=narrow)) == (401, "wrong_audience")
    ended = ada_there.fresh_token()
    assert httpx.get(call, headers=bearer(ended), trust_env=False).status_code == 200
    issuer.post("/logout", token=ended).raise_for_status()
    eventually(lambda: httpx.get(call, headers=bearer(ended), trust_env=False).status_code != 200)
    assert problem(httpx.get(call, headers=bearer(ended), trust_env=False)) == (401, "login_ended")


def test_nothing_of_ours_is_in_its_environment_but_the_verifier(greetings: str, checkout: Path) -> None:
    """The wheel alone was installed, and it says that it is typed."""
    listed = subprocess.run(
        [UV, "pip", "freeze", "--python", checkout / "greetings" / ".venv" / "bin" / "python"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    ours = {
        name for name in re.findall(r"^[\w-]+", listed, re.MULTILINE) if re.search("signet|chassis|verification", name)
    }
    assert ours == {"token-verification"}
    (wheel,) = (checkout / "greetings" / "wheels").glob("*.whl")
    assert "token_verification/py.typed" in ZipFile(wheel).namelist()


def test_the_door_leads_to_it_after_the_printed_change(
    issuer: EmbeddedSystem, greetings: str, ada_there: Person, tmp_path: Path
) -> None:
    """A gateway with the printed lines passes its path on, and shows it among the documents."""
    shutil.copytree(ROOT / "gateway" / "src", tmp_path / "gateway" / "src")
    (change,) = blocks("diff")
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=change, text=True, check=True)
    door, operations = free_ports(2)
    environment = inherited() | {
        "PYTHONPATH": str(tmp_path / "gateway" / "src"),
        "SIGNET_PORT": str(door),
        "SIGNET_PUBLIC_URL": f"http://localhost:{door}",
        "SIGNET_OPERATIONS_PORT": str(operations),
        "SIGNET_GREETINGS_URL": greetings,
        **{f"SIGNET_{name.upper()}_URL": issuer.stack.service_url(name) for name in ("auth", "profile", "orders")},
    }
    ready = f"http://127.0.0.1:{operations}/readyz"
    with (
        running([sys.executable, "-P", "-m", "gateway"], cwd=tmp_path, env=environment, answers=ready),
        httpx.Client(base_url=f"http://localhost:{door}", trust_env=False) as http,
    ):
        go = blocks("sh")[-1].replace("localhost:8080", f"localhost:{door}")
        curl = ["bash", "-euc", go]
        greeted = subprocess.run(
            curl, env=inherited() | {"TOKEN": ada_there.token}, capture_output=True, check=True, timeout=30
        )
        assert json.loads(greeted.stdout) == "Hello, Ada!"
        assert problem(http.get("/api/greetings")) == (401, "no_credentials")
        assert "/api/greetings" in http.get("/docs/openapi.json").json()["paths"]


@pytest.fixture(scope="module")
def ada_there(issuer: EmbeddedSystem) -> Person:
    return issuer.person("Ada")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_builds_whole(member: str, tmp_path: Path) -> None:
    """A wheel holds every file of its packages that is in the repository: modules, py.typed, migrations, assets."""
    options = ["-q", "--wheel", "--no-build-isolation", "--offline", "--python", sys.executable, "-o", str(tmp_path)]
    subprocess.run([UV, "build", *options, ROOT / member], check=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    built = set(ZipFile(wheel).namelist())
    source = ROOT / member / "src"
    files = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file() and file.suffix != ".pyc"}
    assert files - built == set()
    for package in {name.partition("/")[0] for name in files}:
        assert f"{package}/py.typed" in built
        if member.startswith("services/"):
            assert any(re.fullmatch(rf"{package}/migrations/0001_\w+\.py", name) for name in built)
