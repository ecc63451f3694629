"""Services that outlive their issuer, and a door that never waits for a service."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from time import monotonic, perf_counter

import pytest
from tests.cookie_browser import CookieBrowser
from tests.running_system import EmbeddedSystem, Person, System, eventually, problem
from tests.test_delivery import ADDRESS
from tests.workers import Everyone

SOON = 3.0 + 0.7
"""Seconds: the protocol's bound for a hanging upstream, and what a busy machine adds."""


@contextmanager
def stopped(system: System, service: str) -> Iterator[None]:
    system.stop(service)
    try:
        yield
    finally:
        system.start(service)


@contextmanager
def hanging(system: System, service: str) -> Iterator[None]:
    system.pause(service)
    try:
        yield
    finally:
        system.resume(service)


def kids(system: System) -> list[str]:
    return sorted(key["kid"] for key in system.get("/.well-known/jwks.json").json()["keys"])


def both_services_honour(system: System, token: str) -> bool:
    """Return True; AssertionError says what a service answered instead."""
    for path in ("/api/profile", "/api/orders"):
        answer = system.get(path, token=token)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
    return True


@pytest.mark.stack("embedded", "compose")
def test_services_outlive_the_issuer(system: System, ada: Person) -> None:
    """While auth is away tokens are verified, also by a service that restarts meanwhile; auth returns with its keys."""
    token, published = ada.fresh_token(), kids(system)
    browser = CookieBrowser(system)
    browser.log_in(ada)
    without_access = {browser.refresh: browser.jar[browser.refresh]}
    with stopped(system, "auth"):
        assert both_services_honour(system, token)

        # A browser's login is no other: it goes on until its access token ends, and has not ended by that.
        assert browser.ask("GET", "/api/profile").status_code == 200
        away = browser.ask("GET", "/api/profile", jar=without_access)
        assert problem(away) == (503, "refresh_unavailable")
        assert "set-cookie" not in away.headers
        assert browser.ask("POST", "/logout").status_code in {502, 503, 504}
        assert browser.jar

        began = perf_counter()
        refused = ada.log_in()
        assert perf_counter() - began < SOON
        assert problem(refused)[0] in {502, 503, 504}

        for service in ("profile", "orders"):
            system.stop(service)
            system.start(service)
        eventually(lambda: both_services_honour(system, token))
        tampered = f"{token[:-6]}{'AAAAAA' if not token.endswith('AAAAAA') else 'BBBBBB'}"
        assert problem(system.get("/api/profile", token=tampered)) == (401, "bad_signature")
    eventually(lambda: ada.log_in().status_code == 200)
    browser.let_the_access_cookie_end()
    eventually(lambda: browser.ask("GET", "/api/profile").status_code == 200)
    assert kids(system) == published
    assert both_services_honour(system, token)
    assert both_services_honour(system, ada.fresh_token())


@pytest.mark.stack("embedded", "compose")
@pytest.mark.parametrize("away", [stopped, hanging])
def test_what_has_ended_stays_so_while_the_issuer_is_away(
    system: System, away: Callable[[System, str], AbstractContextManager[None]]
) -> None:
    """Also at a service that restarts meanwhile. When auth is back, so is the feed, and all is as quick as before."""
    person = system.person("Grace")
    first, ended, other = (person.fresh_token() for _ in range(3))
    with Everyone(system) as everyone:
        log_out(system, first)
        eventually(lambda: everyone.refuses(first, "login_ended"))  # the feed is followed, whatever was away before
        everyone.refuses_soon(ended, "login_ended", since=log_out(system, ended))
    with away(system, "auth"):
        for service in ("profile", "orders"):
            system.stop(service)
            system.start(service)
        with Everyone(system) as restarted:
            eventually(lambda: restarted.honours(other))
            assert restarted.refuses(ended, "login_ended")
    eventually(lambda: person.log_in().status_code == 200)
    with Everyone(system) as everyone:
        first, second = (person.fresh_token() for _ in range(2))
        log_out(system, first)
        eventually(lambda: everyone.refuses(first, "login_ended"))  # the feed is followed again
        everyone.refuses_soon(second, "login_ended", since=log_out(system, second))
        assert everyone.honours(other)


def log_out(system: System, token: str) -> float:
    """End a login, and return when that was acknowledged."""
    answer = system.post("/logout", token=token)
    assert answer.status_code == 200, answer.text
    return monotonic()


@pytest.mark.stack("embedded", "compose")
@pytest.mark.parametrize(
    ("service", "path"), [("orders", "/api/catalogue"), ("profile", "/api/profile"), ("auth", "/.well-known/jwks.json")]
)
def test_a_stopped_service(system: System, service: str, path: str) -> None:
    """A service that is gone is answered for within 3 s, and is there again as soon as it is."""
    with stopped(system, service):
        began = perf_counter()
        answer = system.get(path)
        assert perf_counter() - began < SOON
        assert problem(answer) in ((502, "upstream_unreachable"), (504, "upstream_timeout"))
    eventually(lambda: system.get(path).status_code in {200, 401})


@pytest.mark.stack("embedded", "compose")
@pytest.mark.parametrize(("service", "path"), [("orders", "/api/catalogue"), ("auth", "/.well-known/jwks.json")])
def test_a_hanging_service(system: System, ada: Person, service: str, path: str) -> None:
    """A service that takes connections and says nothing gets 504 within 3 s; others are served; then it recovers."""
    token = ada.token
    with hanging(system, service):
        began = perf_counter()
        answer = system.get(path)
        assert perf_counter() - began < SOON
        assert problem(answer) == (504, "upstream_timeout")
        began = perf_counter()
        assert system.get("/api/profile", token=token).status_code == 200
        assert perf_counter() - began < 1
    eventually(lambda: system.get(path).status_code == 200)


@pytest.mark.stack("embedded", "compose")
@pytest.mark.parametrize("away", [stopped, hanging])
@pytest.mark.parametrize("service", ["auth", "profile"])
def test_an_order_is_placed_without_its_address(
    system: System, administrator: Person, service: str, away: Callable[[System, str], AbstractContextManager[None]]
) -> None:
    """It is pending while auth or profile is away, within 3 s; it is not shipped so, and settled once they are back."""
    person = system.person("Augusta")
    person.change_profile("*", delivery_address=ADDRESS)
    token, shipping = person.token, administrator.token
    with away(system, service):
        began = perf_counter()
        placed = person.order(("RING-SIGNET", 1))
        assert perf_counter() - began < SOON
        assert placed.status_code == 201, placed.text
        assert placed.json()["delivery"] == {"status": "pending", "address": None, "reason": "unavailable"}
        path = placed.headers["location"]
        refused = system.request("PUT", f"{path}/delivery-address", token=token)
        assert problem(refused) == (503, "address_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert problem(system.post(f"{path}/ship", token=shipping)) == (409, "wrong_state")
    eventually(lambda: system.request("PUT", f"{path}/delivery-address", token=token).status_code == 200)
    assert person.get(path).json()["delivery"] == {"status": "settled", "address": ADDRESS, "reason": None}
    assert system.post(f"{path}/ship", token=shipping).json()["status"] == "shipped"


@pytest.mark.stack("embedded")
def test_a_locked_database(system: System, ada: Person) -> None:
    """While a database is locked, writing is 503, reading goes on, and nothing acknowledged is lost."""
    assert isinstance(system, EmbeddedSystem)
    ada.order(("SEAL-BRASS", 1))
    before = ada.get("/api/orders").json()
    with closing(sqlite3.connect(system.stack.data.database("orders"), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        began = perf_counter()
        refused = ada.order(("SEAL-BRASS", 2))
        assert perf_counter() - began < SOON
        assert problem(refused) == (503, "storage_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert ada.get("/api/orders").json() == before
        holder.execute("ROLLBACK")
    placed = ada.order(("SEAL-BRASS", 3))
    assert placed.status_code == 201
    assert [order["id"] for order in ada.get("/api/orders").json()["orders"]][1:] == [
        order["id"] for order in before["orders"]
    ]
