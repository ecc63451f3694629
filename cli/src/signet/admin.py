"""`signet admin create`: the first administrator. There is no default one, and no default password."""

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

from signet.data_directory import DataDirectory
from signet.environment import Addresses, environment_of
from signet.failure import Failure


def create_administrator(*, email: str, name: str, data: Path, compose: bool) -> None:
    """Make an administrator in the embedded data, or in the composed system that runs from the current directory.

    The password comes from the terminal or standard input and goes to auth's standard input: it is never an argument,
    which other users of the machine could read. Raises Failure when auth refuses, with auth's own sentence.
    """
    if compose:
        docker = shutil.which("docker")
        if docker is None:
            raise Failure("There is no `docker` command here, which --compose needs.")
        command = [docker, "compose", "exec", "-T", "auth", "python"]
        _run([*command, *_arguments(email, name)], environment=None, password=ask_for_password())
        return
    directory = DataDirectory(data)
    if not directory.database("auth").exists():
        raise Failure(
            f"There is no data in {directory.root} yet. Run `signet up` once, or name its directory with --data."
        )
    make_administrator(directory, email=email, name=name, password=ask_for_password())


def make_administrator(directory: DataDirectory, *, email: str, name: str, password: str) -> None:
    """Make an administrator in the embedded data. Raises Failure when auth refuses, with auth's own sentence."""
    # create-admin listens nowhere; the settings merely have to be whole.
    nowhere = Addresses("127.0.0.1", {"auth": 1, "orders": 2, "gateway": 8080}, operations_port=3)
    command = [sys.executable, "-P", *_arguments(email, name)]
    _run(command, environment=environment_of("auth", nowhere, directory), password=password)


def _arguments(email: str, name: str) -> list[str]:
    return ["-m", "auth_service", "create-admin", f"--email={email}", f"--name={name}"]


def _run(command: list[str], *, environment: dict[str, str] | None, password: str) -> None:
    ended = subprocess.run(  # noqa: S603 - no shell: e-mail and name are arguments, whatever they hold
        command, env=environment, input=f"{password}\n", text=True, capture_output=True, check=False
    )
    if ended.returncode != 0:
        said = ended.stderr.strip() or ended.stdout.strip() or "it said nothing"
        raise Failure(f"No administrator was made. {said}")


def ask_for_password() -> str:
    """Ask twice without echo at a terminal; otherwise read the first line of standard input. Raises Failure."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Failure("The two passwords differ.")
    if not password:
        raise Failure("A password is needed: there is no default one.")
    return password
