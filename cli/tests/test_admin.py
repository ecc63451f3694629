"""`signet admin create`: the first administrator, whose password nobody sees."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from signet.stack import EmbeddedStack

SIGNET = str(Path(sys.executable).with_name("signet"))
PASSWORD = "seven levers and a hidden spring"


def create(*arguments: str, said: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SIGNET, "admin", "create", *arguments],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ) | {"COLUMNS": "200"} | environment,  # noqa: TID251 - what a person's shell has
    )


def at_a_terminal(*arguments: str, answers: tuple[str, ...]) -> tuple[int, str]:
    """Run the command at a terminal and type each answer when it asks. Return its status and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - another process
        os.execv(SIGNET, [SIGNET, "admin", "create", *arguments])
    shown = b""
    for number, answer in enumerate(answers, start=1):
        while shown.count(b": ") < number:
            shown += os.read(terminal, 1024)
        os.write(terminal, answer.encode() + b"\n")
    while True:
        try:
            more = os.read(terminal, 1024)
        except OSError:
            break
        if not more:
            break
        shown += more
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_an_administrator_is_made_once_and_has_the_scope_of_one(auth_alone: EmbeddedStack) -> None:
    """The password comes from standard input; a second first administrator is refused with auth's sentence."""
    data = str(auth_alone.data.root)
    made = create("--email", "grace@example.org", "--data", data, said=f"{PASSWORD}\n")
    assert (made.returncode, made.stdout) == (0, "grace@example.org is an administrator now.\n"), made.stderr
    login = {"email": "grace@example.org", "password": PASSWORD}
    answer = httpx.post(f"{auth_alone.url}/login", json=login, trust_env=False).raise_for_status().json()
    assert "accounts:manage" in answer["scope"]

    again = create("--email", "mallory@example.org", "--data", data, said=f"{PASSWORD}\n")
    assert again.returncode == 1
    assert again.stderr.startswith("signet: No administrator was made. There already is an administrator")


def test_at_a_terminal_it_asks_twice_and_shows_nothing(auth_alone: EmbeddedStack) -> None:
    """What is typed is not echoed, and two different passwords make no administrator."""
    status, shown = at_a_terminal(
        "--email", "grace@example.org", "--data", str(auth_alone.data.root), answers=(PASSWORD, "another one")
    )
    assert status == 1
    assert "The two passwords differ." in shown
    assert PASSWORD not in shown
    assert "another one" not in shown


@pytest.mark.parametrize(
    ("arguments", "said", "sentence"),
    [
        (("--data", "{data}"), "", "A password is needed: there is no default one."),
        (("--data", "{data}"), "short\n", "No administrator was made. "),
        (("--data", "{data}/elsewhere"), f"{PASSWORD}\n", "There is no data in {data}/elsewhere yet."),
        (("--compose",), f"{PASSWORD}\n", "There is no `docker` command here, which --compose needs."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    auth_alone: EmbeddedStack, arguments: tuple[str, ...], said: str, sentence: str
) -> None:
    """Exit status 1, one sentence, no trace."""
    data = str(auth_alone.data.root)
    filled = [argument.format(data=data) for argument in arguments]
    ended = create("--email", "grace@example.org", *filled, said=said, PATH="/nowhere")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"signet: {sentence.format(data=data)}")
    assert len(ended.stderr.splitlines()) == 1


def test_compose_runs_the_same_command_in_auths_container(tmp_path: Path) -> None:
    """The password goes to the container's standard input, and never stands in an argument."""
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\ncat > {tmp_path}/input\n')
    docker.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    made = create("--compose", "--email", "grace@example.org", "--name", "Grace", said=f"{PASSWORD}\n", PATH=path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "arguments").read_text().split("\n")[:-1] == [
        "compose", "exec", "-T", "auth", "python", "-m", "auth_service", "create-admin",
        "--email=grace@example.org", "--name=Grace",
    ]  # fmt: skip
    assert (tmp_path / "input").read_text() == f"{PASSWORD}\n"
