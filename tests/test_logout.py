"""A login that ends stops working at every worker of every service within a second, however it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpx
import pytest
from tests.running_system import Person, System, problem
from tests.workers import Everyone


@dataclass
class Ending:
    """Somebody with two logins, of which the first, `doomed`, is about to end."""

    system: System
    person: Person
    administrator: Person
    doomed: dict[str, Any]
    other: dict[str, Any]

    @classmethod
    def prepared(cls, system: System, administrator: Person) -> "Ending":
        person = system.person("Grace")
        return cls(system, person, administrator, person.log_in().json(), person.log_in().json())

    def log_out(self) -> httpx.Response:
        return self.system.post("/logout", token=self.doomed["access_token"])

    def log_out_by_refresh_token(self) -> httpx.Response:
        return self.system.post("/logout", json={"refresh_token": self.doomed["refresh_token"]})

    def end_it_elsewhere(self) -> httpx.Response:
        """End it from another device, by the list."""
        listed = self.system.get("/logins", token=self.other["access_token"]).json()["logins"]
        assert len(listed) == 2
        (sid,) = [login["sid"] for login in listed if not login["current"]]
        return self.system.request("DELETE", f"/logins/{sid}", token=self.other["access_token"])

    def log_out_everywhere(self) -> httpx.Response:
        return self.system.post("/logout/everywhere", token=self.other["access_token"])

    def change_the_password(self) -> httpx.Response:
        passwords = {"current_password": self.person.password, "new_password": f"{self.person.password} II"}
        self.system.secrets.add(passwords["new_password"])
        return self.system.request("PUT", "/password", token=self.other["access_token"], json=passwords)

    def disable_the_account(self) -> httpx.Response:
        token = self.administrator.fresh_token(resource="urn:signet:auth")
        return self.system.request("PUT", f"/admin/accounts/{self.person.sub}/disabled", token=token)


@pytest.mark.stack("embedded")  # whichever it is, replicas read it in the feed, as they do in the test below
@pytest.mark.parametrize(
    ("end", "ends_both"),
    [
        (Ending.log_out, False),
        (Ending.log_out_by_refresh_token, False),
        (Ending.end_it_elsewhere, False),
        (Ending.change_the_password, False),
        (Ending.log_out_everywhere, True),
        (Ending.disable_the_account, True),
    ],
)
def test_a_saved_token_stops_working_at_every_worker(
    system: System,
    administrator: Person,
    end: Callable[[Ending], httpx.Response],
    ends_both: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    """A second after the ending was acknowledged nobody honours it; a login that did not end goes on everywhere."""
    ending = Ending.prepared(system, administrator)
    doomed, other = ending.doomed["access_token"], ending.other["access_token"]
    with Everyone(system) as everyone:
        assert everyone.honours(doomed)
        assert everyone.honours(other)
        answer = end(ending)
        acknowledged = monotonic()
        assert answer.status_code == 200, answer.text
        assert answer.json()["ended"] == (2 if ends_both else 1)
        everyone.refuses_soon(doomed, "login_ended", since=acknowledged)
        assert everyone.refuses(other, "login_ended") if ends_both else everyone.honours(other)
    assert problem(ending.person.refresh(ending.doomed["refresh_token"]))[0] == 400
    with Everyone(system) as anew:
        assert anew.refuses(doomed, "login_ended")


def test_a_login_goes_on_by_its_refresh_token(system: System) -> None:
    """Each use gives the next pair; a lost answer can be asked for again; the old access token is good meanwhile."""
    person = system.person("Grace")
    login = person.log_in().json()
    with Everyone(system) as everyone:
        first = person.refresh(login["refresh_token"]).json()
        again = person.refresh(login["refresh_token"]).json()
        assert first["refresh_token"] == again["refresh_token"] != login["refresh_token"]
        second = person.refresh(first["refresh_token"]).json()
        for each in (login, first, again, second):
            assert everyone.honours(each["access_token"])
        assert [entry["current"] for entry in _logins(system, second["access_token"])] == [True]
        acknowledged = system.post("/logout", token=second["access_token"]), monotonic()
        for each in (login, first, again, second):
            everyone.refuses_soon(each["access_token"], "login_ended", since=acknowledged[1])
    for each in (login, first, second):
        assert problem(person.refresh(each["refresh_token"])) == (400, "invalid_grant")


def test_the_feed_is_not_at_the_door(system: System) -> None:
    """It is for services, which ask auth itself."""
    for path in ("/revocations", "/revocations?after=0", "/auth/revocations", "/api/revocations"):
        assert system.get(path).status_code == 404


def _logins(system: System, token: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = system.get("/logins", token=token).json()["logins"]
    return listed
