"""`signet demo`: the story comes out as told, and says so when it does not."""

import io
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from signet.demo import tell
from signet.demo.abbreviation import MASK, abbreviated, laid_out
from signet.demo.scene import Scene
from signet.demo.story import STORY
from signet.demo.token_parts import thumbprint
from signet.stack import EmbeddedStack

if TYPE_CHECKING:
    from cli.tests.conftest import Processes, RunCommand

JWS = re.compile(r"eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}")


def test_every_step_comes_out_as_told_and_nothing_is_left(run: "RunCommand", tmp_path: Path) -> None:
    """Exit status 0, every step told, no secret shown, 80 columns kept, and no file or process left behind."""
    (tmp_path / "temporary").mkdir()
    command = run("demo", TMPDIR=str(tmp_path / "temporary"))
    command.wait_for("End the issuer")
    services = command.services
    assert command.process.wait(180) == 0, command.said
    for number, (title, _) in enumerate(STORY, start=1):
        assert f"{number}. {title} ─" in command.said
    assert "Everything came out as told" in command.said
    assert "✗" not in command.said
    assert "The successor signed the next one" in command.said
    assert Scene.password not in " ".join(command.said.split())
    assert not JWS.search("".join(command.said.split()))
    assert max(map(len, command.said.splitlines())) <= 80
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(services) >= 3
    assert command.services == {}


def test_a_step_that_does_not_come_out_as_told_makes_the_status_1(run: "RunCommand", tmp_path: Path) -> None:
    """With profile's process killed beneath it, the demo shows what it expected and got, goes on, and exits 1.

    Where its arrows, lines and crosses cannot be encoded they are replaced, and nothing breaks off.
    """
    (tmp_path / "temporary").mkdir()
    command = run("demo", "--pause", TMPDIR=str(tmp_path / "temporary"), PYTHONIOENCODING="ascii")
    command.wait_for("1. One door")
    os.kill(command.services["profile"], signal.SIGKILL)
    assert command.process.wait(180) == 1, command.said
    assert "? POST /login" in command.said
    assert "? 502 Bad Gateway  ? expected 200, got 502" in command.said
    assert f"{len(STORY)}. What was shown" in command.said
    summary = command.said[command.said.index("Not everything came out as told:") :]
    assert "? 5. Call two services with it: expected 200, got 502" in summary
    assert "Traceback" not in command.said
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_stack_without_its_issuer_fails_the_story_step_by_step(stack: EmbeddedStack) -> None:
    """Where a step lacks what it builds on, it says so in red, and the steps after it are still told."""
    stack.stop("auth")
    output = Console(file=io.StringIO(), width=120, force_terminal=True)
    assert tell(stack, output) == 1
    assert isinstance(output.file, io.StringIO)
    told = output.file.getvalue()
    assert "\x1b[1;31m✗ The answer has no access_token, which the story needs." in told
    assert f"{len(STORY)}. What was shown" in told
    # Its last step but one brings auth back, so the stack is whole again.
    assert stack.process("auth").poll() is None


def test_a_demo_that_is_interrupted_leaves_nothing(run: "RunCommand", tmp_path: Path, processes: "Processes") -> None:
    """A signal in the middle ends what was started and removes what was written; the status tells the signal."""
    (tmp_path / "temporary").mkdir()
    command = run("demo", TMPDIR=str(tmp_path / "temporary"))
    command.wait_for("2. Register")
    services = command.services
    assert command.end(signal.SIGINT) == 128 + signal.SIGINT
    assert not any(map(processes.alive, services.values()))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_is_shown_holds_no_password_and_no_whole_token() -> None:
    """Passwords are masked and tokens cut, at any depth."""
    token = ".".join(["eyJhbGciOiJSUzI1NiJ9", "a" * 400, "b" * 512])
    shown = abbreviated(
        {
            "in": [{"password": "secret", "refresh_token": "e" * 43}],
            "access_token": token,
            "n": "c" * 512,
            "kid": "d" * 43,
        }
    )
    assert shown["in"] == [{"password": MASK, "refresh_token": MASK}]
    assert shown["access_token"] == "eyJhbGci….aaaaaaaa….bbbbbbbb…"
    assert shown["n"] == "cccccccccccccccc… (512 characters)"
    assert shown["kid"] == "d" * 43


def test_json_stays_on_a_line_where_it_fits() -> None:
    """What fits into the width is one line, and what does not is broken into its members."""
    value = {"items": [{"sku": "SEAL-BRASS", "quantity": 2}], "total": {"amount": 9800, "currency": "EUR"}}
    assert laid_out(value, width=200).count("\n") == 0
    assert laid_out(value, width=60) == (
        '{\n  "items": [{"sku": "SEAL-BRASS", "quantity": 2}],\n  "total": {"amount": 9800, "currency": "EUR"}\n}'
    )


def test_a_thumbprint_is_that_of_the_rfc() -> None:
    """The example of RFC 7638, section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    key = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
