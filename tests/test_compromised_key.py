"""A signing key that is compromised is believed by nobody within a second, and nothing brings it back."""

from time import monotonic

import pytest
from tests.cookie_browser import CookieBrowser
from tests.running_system import Person, System, eventually
from tests.workers import Everyone

from token_verification.compact_jws import json_object, split_compact_jws


def key_of(token: str) -> str:
    return str(json_object(split_compact_jws(token).header)["kid"])


def sid_of(token: str) -> str:
    return str(json_object(split_compact_jws(token).payload)["sid"])


@pytest.mark.stack("embedded", "postgres")
def test_a_compromised_key_is_refused_at_every_worker(system: System, administrator: Person) -> None:
    """Its successor signs at once and counts everywhere; a service that restarts without auth knows it all the same.

    Whoever had a token under it goes on with the same login: no key has signed a refresh token. In a browser, unseen.
    """
    person = system.person("Grace")
    login = person.log_in().json()
    token = login["access_token"]
    browser = CookieBrowser(system)
    browser.log_in(person)
    assert key_of(browser.jar[browser.access]) == key_of(token)
    manager = administrator.fresh_token(resource="urn:signet:auth")
    with Everyone(system) as everyone:
        assert everyone.honours(token)
        killed = system.post(f"/admin/keys/{key_of(token)}/compromise", token=manager)
        acknowledged = monotonic()
        system.times_all_logins_ended += 1
        assert killed.status_code == 200, killed.text
        everyone.refuses_soon(token, "key_revoked", since=acknowledged)
        refreshed = person.refresh(login["refresh_token"])
        assert refreshed.status_code == 200, refreshed.text
        fresh = refreshed.json()["access_token"]
        assert key_of(fresh) == killed.json()["active"] != key_of(token)
        assert sid_of(fresh) == sid_of(token)
        eventually(lambda: everyone.honours(fresh))
        # Who has the login in a browser sees nothing of it all.
        served = browser.ask("GET", "/api/profile")
        assert served.status_code == 200, served.text
        assert key_of(browser.jar[browser.access]) == key_of(fresh)
        assert sid_of(browser.jar[browser.access]) != sid_of(fresh)
    published = [key["kid"] for key in system.get("/.well-known/jwks.json").json()["keys"]]
    assert key_of(token) not in published

    system.stop("auth")
    try:
        for service in ("profile", "orders"):
            system.stop(service)
            system.start(service)
        with Everyone(system) as restarted:
            assert restarted.refuses(token, "key_revoked")
            assert restarted.honours(fresh)
    finally:
        system.start("auth")
    eventually(lambda: person.log_in().status_code == 200)
