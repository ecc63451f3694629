"""`signet keys`: an administrator's hands on the signing keys of a running system."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from signet.stack import EmbeddedStack

SIGNET = str(Path(sys.executable).with_name("signet"))
EMAIL = "grace@example.org"
PASSWORD = "seven levers and a hidden spring"


OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


def signet(*arguments: str, said: str = f"{PASSWORD}\n", columns: str = "200") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SIGNET, *arguments],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ) | {"COLUMNS": columns, "TZ": "UTC"},  # noqa: TID251 - what a person's shell has
    )


def keys(
    stack: EmbeddedStack, *arguments: str, email: str = EMAIL, columns: str = "200"
) -> subprocess.CompletedProcess[str]:
    return signet("keys", *arguments, "--email", email, "--url", stack.url, columns=columns)


@pytest.fixture(scope="module")
def governed(auth_alone: EmbeddedStack) -> EmbeddedStack:
    """Give a running system that has an administrator."""
    made = signet("admin", "create", "--email", EMAIL, "--data", str(auth_alone.data.root))
    assert made.returncode == 0, made.stderr
    return auth_alone


def published(stack: EmbeddedStack) -> set[str]:
    answer = httpx.get(f"{stack.url}/.well-known/jwks.json", trust_env=False).raise_for_status()
    return {key["kid"] for key in answer.json()["keys"]}


def test_a_key_is_listed_rotated_and_compromised(governed: EmbeddedStack) -> None:
    """From the first pair on: a rotation at once, a second one too early, and a kill switch that works twice."""
    listed = keys(governed, "list", "--json")
    assert listed.returncode == 0, listed.stderr
    first = {key["state"]: key["kid"] for key in json.loads(listed.stdout)["keys"]}
    assert set(first) == {"active", "pending"}

    rotated = keys(governed, "rotate")
    assert rotated.returncode == 0, rotated.stderr
    assert rotated.stdout.startswith(f"{first['pending']} signs now. ")

    early = keys(governed, "rotate")
    assert (early.returncode, early.stdout) == (1, "")
    assert early.stderr.startswith("signet: A key is published before it signs")
    early = keys(governed, "rotate", "--json")
    assert early.returncode == 1
    assert json.loads(early.stdout)["reason"] == "rotation_too_early"

    ended = keys(governed, "compromise", first["pending"])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"{first['pending']} counts no more, from ")
    assert first["pending"] not in published(governed)
    again = keys(governed, "compromise", first["pending"], "--json")
    assert again.returncode == 0, again.stderr
    assert f"from {json.loads(again.stdout)['seq']} in" in ended.stdout

    page = keys(governed, "list")
    assert page.returncode == 0
    rows = {line.split()[1]: line for line in page.stdout.splitlines()}
    assert set(rows) == {"state", "active", "pending", "retiring", "compromised"}
    assert first["active"] in rows["retiring"]
    assert "removed at " in rows["retiring"]
    assert ", by hand from " in rows["pending"]
    narrow = keys(governed, "list", columns="80").stdout
    assert max(map(len, narrow.splitlines())) <= 80
    assert all(kid in narrow for kid in first.values()), narrow


@pytest.mark.parametrize(
    ("arguments", "how", "status", "sentence"),
    [
        (("rotate",), {"said": "not it\n"}, 1, "The e-mail or the password is wrong."),
        (("rotate",), {"said": ""}, 2, "An administrator's password is needed: give it on standard input."),
        (("rotate",), {"email": ""}, 2, "Whose password is it? Name the administrator with --email."),
        (("compromise", ""), {}, 2, "Which key? The key id is empty: `signet keys list` shows them."),
        (("compromise", "nobody's"), {}, 1, "There is no signing key of that id."),
        (("compromise", "-I" + "s" * 41), {}, 1, "There is no signing key of that id."),
        (("compromise", "--" + "s" * 41), {}, 1, "There is no signing key of that id."),
        (("compromise", "--jsn"), {}, 2, "--jsn is neither an option nor a key's id."),
        (("list", "--url", "http://127.0.0.1:1"), {}, 2, "http://127.0.0.1:1 does not answer: "),
        (("list", "--url", "ftp://x"), {}, 2, "ftp://x does not answer: "),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    governed: EmbeddedStack, arguments: tuple[str, ...], how: dict[str, str], status: int, sentence: str
) -> None:
    """One line, no trace, and a status that tells a refusal from a question that nobody could answer."""
    last = () if "--url" in arguments else ("--url", governed.url)
    ended = signet("keys", *arguments, "--email", how.pop("email", EMAIL), *last, **how)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.startswith(f"signet: {sentence}")
    assert len(ended.stderr.splitlines()) == 1


def test_somebody_else_has_no_say(governed: EmbeddedStack) -> None:
    """An ordinary account cannot even log in for this."""
    body = {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"}
    httpx.post(f"{governed.url}/register", json=body, trust_env=False).raise_for_status()
    before = published(governed)
    ended = keys(governed, "rotate", email="ada@example.org")
    assert ended.returncode == 1
    assert published(governed) == before


def test_the_operators_commands_are_as_printed(tmp_path: Path) -> None:
    """What docs/operations.md has an operator type, from the list to the kill switch, on a system of its own."""
    section = OPERATIONS.split("\n## Signing keys\n")[1].split("\n## ")[0]
    commands = re.findall(r"^ *```sh\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    assert [command.split()[2] for command in commands] == ["list", "rotate", "compromise"]
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with EmbeddedStack(tmp_path / "data", without=("profile", "orders")) as system:
        made = signet("admin", "create", "--email", "root@example.com", "--data", str(system.data.root))
        assert made.returncode == 0, made.stderr
        (kid, *_) = published(system)
        for command in commands:
            ended = subprocess.run(
                ["bash", "-euc", command],
                cwd=tmp_path,
                env=dict(os.environ) | {"SIGNET_URL": system.url, "KID": kid},  # noqa: TID251 - what a shell has
                input=f"{PASSWORD}\n",
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == 0, ended.stderr
        assert kid not in published(system)
