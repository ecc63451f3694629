"""A browser's login in cookies, through the running system: services that know no cookie honour it, until it ends."""

import json
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from tests.cookie_browser import CookieBrowser
from tests.running_system import Person, System, problem
from tests.workers import Everyone

SERVICES = ("/api/profile", "/api/orders", "/logins")


def test_a_login_in_cookies_is_honoured_refreshed_and_ended(system: System, ada: Person) -> None:
    """No token is in any body; whoever saved the cookies is refused everywhere within a second of the logout."""
    browser = CookieBrowser(system)
    answer = browser.log_in(ada)
    assert browser.jar.keys() == {browser.access, browser.refresh}
    assert answer.json().keys() == {"transport", "expires_in", "scope", "set_cookie"}
    bodies = [answer.text]
    for path in SERVICES:
        served = browser.ask("GET", path)
        assert served.status_code == 200, served.text
        assert "set-cookie" not in served.headers
        bodies.append(served.text)
    order = browser.ask("POST", "/api/orders", json={"items": [{"sku": "SEAL-BRASS", "quantity": 1}]})
    assert order.status_code == 201, order.text

    before = dict(browser.jar)
    browser.let_the_access_cookie_end()
    renewed = browser.ask("GET", "/api/profile")
    assert renewed.status_code == 200, renewed.text
    assert browser.jar.keys() == before.keys()
    assert not set(browser.jar.values()) & set(before.values())
    by_hand = browser.ask("POST", "/refresh")
    assert by_hand.json().keys() == answer.json().keys()
    bodies += [renewed.text, by_hand.text]
    assert not [value for value in {*before.values(), *browser.jar.values()} if value in "".join(bodies)]

    saved = dict(browser.jar)
    with Everyone(system) as everyone:
        assert everyone.honours(saved[browser.access])
        ended = browser.ask("POST", "/logout")
        acknowledged = monotonic()
        assert ended.json()["ended"] == 1
        assert browser.jar == {}
        everyone.refuses_soon(saved[browser.access], "login_ended", since=acknowledged)
    for path in SERVICES:
        refused = browser.ask("GET", path, jar=saved)
        assert problem(refused) == (401, "login_ended")
        refused = browser.ask("GET", path, jar={browser.refresh: saved[browser.refresh]})
        assert problem(refused) == (401, "invalid_grant")
        assert len([each for each in refused.headers.get_list("set-cookie") if "Max-Age=0" in each]) == 2
        assert problem(browser.ask("GET", path)) == (401, "no_credentials")


def test_twenty_requests_at_once_refresh_once(system: System, ada: Person) -> None:
    """All get the same tokens, to the letter: auth was asked once. Every one of them is served."""
    browser = CookieBrowser(system)
    browser.log_in(ada)
    old = {browser.refresh: browser.jar[browser.refresh]}
    tabs = [CookieBrowser(system) for _ in range(20)]
    for tab in tabs:
        tab.jar = dict(old)
    with ThreadPoolExecutor(20) as threads:
        paths = ["/api/profile", "/api/orders"] * 10
        answers = list(threads.map(lambda tab, path: tab.ask("GET", path), tabs, paths))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({json.dumps(tab.jar, sort_keys=True) for tab in tabs}) == 1
    assert tabs[0].jar.keys() == {browser.access, browser.refresh}


def test_only_a_page_of_the_door_changes_anything(system: System, ada: Person) -> None:
    """With the cookies, or to get them; and nobody sends a cookie and a token at once."""
    browser = CookieBrowser(system)
    browser.log_in(ada)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
    for said in ({}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://elsewhere.test"}, {"Origin": "null"}):
        for path, more in (
            ("/api/orders", {"json": {"items": [{"sku": "SEAL-BRASS", "quantity": 1}]}, "cookie": cookie}),
            ("/logout", {"cookie": cookie}),
            ("/login", {"json": ada.credentials | {"transport": "cookie"}}),
        ):
            headers = said | ({"Cookie": str(more.pop("cookie"))} if "cookie" in more else {})
            assert problem(system.post(path, headers=headers, **more)) == (403, "cross_site")
    ours = {"Origin": system.url, "Cookie": cookie}
    assert system.request("PATCH", "/api/profile", headers=ours).status_code not in {401, 403}
    assert problem(ada.get("/api/profile", headers=ours)) == (400, "invalid_request")
    assert problem(system.get("/api/profile", headers={"Cookie": f"{cookie}; {cookie}"})) == (400, "invalid_request")
    assert browser.ask("GET", "/api/profile").status_code == 200, "it has not ended"


def test_cookies_go_with_their_login_alone(system: System) -> None:
    """Another password ends the others and keeps this one; ending it by the list, or all, clears the cookies."""
    person = system.person("Grace")
    here, elsewhere = CookieBrowser(system), CookieBrowser(system)
    here.log_in(person)
    elsewhere.log_in(person)
    passwords = {"current_password": person.password, "new_password": f"{person.password} II"}
    system.secrets.add(passwords["new_password"])
    assert here.ask("PUT", "/password", json=passwords).json()["ended"] == 1
    assert problem(elsewhere.ask("GET", "/logins")) == (401, "login_ended")
    assert elsewhere.jar == {}
    person.password = passwords["new_password"]
    (sid,) = [login["sid"] for login in here.ask("GET", "/logins").json()["logins"] if login["current"]]
    assert here.ask("DELETE", f"/logins/{sid}").json()["ended"] == 1
    assert here.jar == {}
    here.log_in(person)
    assert here.ask("POST", "/logout/everywhere").json()["ended"] == 1
    assert here.jar == {}
