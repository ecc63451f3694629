"""`signet up --laboratory`: the other ways run beside the four services, behind the same door."""

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from signet.failure import Failure
from signet.laboratory import require_installed
from signet.ports import free_ports

if TYPE_CHECKING:
    from cli.tests.conftest import Processes, RunCommand

ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def test_three_ways_of_logging_out_are_behind_one_door(
    run: "RunCommand", tmp_path: Path, processes: "Processes"
) -> None:
    """After logout the session is gone and profile refuses the saved token, but in plain mode it is good as before.

    The session's cookie is the twin's own, the door's time is in each answer, and Ctrl-C ends all of them.
    """
    port = free_ports(1)[0]
    command = run("up", "--laboratory", "--port", str(port), "--data", str(tmp_path / "data"))
    command.wait_for('Bearer $TOKEN"')
    for name in ("plain-profile", "session-twin"):
        assert re.search(rf"^{name} +http://\S+ +\d+ ", command.said, re.MULTILINE), command.said
    with httpx.Client(base_url=f"http://localhost:{port}", trust_env=False) as door:
        for register in ("/register", "/laboratory/session/register"):
            assert door.post(register, json=ADA | {"name": "Ada"}).status_code == 201
        logged_in = door.post("/login", json=ADA)
        bearer = {"Authorization": f"Bearer {logged_in.json()['access_token']}"}
        (cookie,) = door.post("/laboratory/session/login", json=ADA).headers.get_list("set-cookie")
        assert re.fullmatch(
            r"__Host-signet-twin=[\w-]{22}; Max-Age=\d+; Path=/; Secure; HttpOnly; SameSite=Lax", cookie
        )
        session = {"Cookie": cookie.partition(";")[0]}

        def answers() -> dict[str, int]:
            ways = {"": bearer, "/laboratory/plain": bearer, "/laboratory/session": session}
            return {way: door.get(f"{way}/api/profile", headers=headers).status_code for way, headers in ways.items()}

        assert answers() == {"": 200, "/laboratory/plain": 200, "/laboratory/session": 200}
        timing = door.get("/laboratory/session/api/profile", headers=session).headers["server-timing"]
        assert [part.partition(";")[0] for part in timing.split(", ")] == ["gateway", "upstream", "session", "verify"]
        elsewhere = session | {"Sec-Fetch-Site": "same-site"}
        assert door.post("/laboratory/session/logout", headers=elsewhere).json()["reason"] == "cross_site"
        assert door.post("/laboratory/session/logout", headers=session).status_code == 204
        assert door.post("/logout", headers=bearer).status_code == 200
        ended = {"": 401, "/laboratory/plain": 200, "/laboratory/session": 401}
        assert processes.eventually(lambda: answers() == ended), answers()
    services = command.services
    assert {"auth", "profile", "orders", "gateway", "session_twin"} == set(services)
    assert command.end(signal.SIGINT) == 0
    assert not any(map(processes.alive, services.values()))


def test_where_there_is_no_session_twin_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing starts, and the sentence names the way to it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Failure, match="make up LABORATORY=1"):
        require_installed()
