"""A browser with a login in cookies, at the door: what it sends, what services and auth get, and what it gets back."""

import asyncio
import json
from typing import Any

import pytest
from gateway.tests.browser_scene import (
    ACCESS,
    CLEARED,
    OURS,
    REFRESH,
    Browser,
    Scene,
    Service,
    access_token,
    mark,
    reason,
)

from gateway.punctuality import EVERY
from gateway.testing import Street


async def test_a_service_sees_a_bearer_token_and_no_cookie(scene: Scene) -> None:
    """It need not know that there are browsers; nothing else of the request is changed, and no cookie is set anew."""
    scene.browser.hold(access_token(mark="held"), "r0")
    scene.browser.jar |= {"other": "1"}
    answer = await scene.browser.ask("POST", "/api/orders?a=b", body=b'{"a": 1}')
    assert answer.status == 200
    (asked,) = scene.orders.asked
    assert mark(asked) == "held"
    assert "cookie" not in asked.headers
    assert asked.body == b'{"a": 1}'
    assert answer.values("set-cookie") == []
    assert scene.refreshes() == []
    assert answer.values("cache-control") == ["private, no-cache"], "a shared cache minds Authorization, not cookies"


async def test_two_credentials_are_refused(scene: Scene) -> None:
    """Our cookie beside `Authorization`, and our cookie twice; another cookie beside `Authorization` is fine."""
    one = f"{ACCESS}={access_token()}"
    bearer = f"{OURS}Authorization: Bearer x\r\n"
    for path in ("/api/orders", "/api/catalogue", "/logins"):
        for said, cookies in ((bearer, one), (bearer, f"{REFRESH}=r0"), (OURS, f"{one}; {one}")):
            assert reason(await scene.browser.ask("GET", path, said=said, cookies=cookies)) == (400, "invalid_request")
    assert scene.orders.asked == []
    assert (await scene.browser.ask("GET", "/api/orders", said=bearer, cookies="a=b")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_only_our_pages_change_anything(scene: Scene, method: str) -> None:
    """By any method that is not known to be safe, with either cookie, on every path."""
    for held in ((access_token(), ""), ("", "r0")):
        scene.browser.hold(*held)
        for path in ("/api/orders", "/logout", "/refresh", "/register", "/logins/s1"):
            for said in ("", "Sec-Fetch-Site: same-site\r\n", "Origin: http://door.test:81\r\n"):
                assert reason(await scene.browser.ask(method, path, said=said)) == (403, "cross_site")
    assert scene.orders.asked == scene.auth.asked == []


async def test_anybody_may_make_a_browser_read(scene: Scene) -> None:
    """Reading changes nothing: not even a login is ended, or refreshed, by GET."""
    scene.browser.hold(access_token(), "r0")
    for path in ("/api/orders", "/logout", "/refresh", "/logins/s1", "/logout/everywhere"):
        answer = await scene.browser.ask("GET", path, said="Sec-Fetch-Site: cross-site\r\n")
        assert answer.status == 200
        assert answer.values("set-cookie") == []
    assert [asked.method for asked in scene.auth.asked] == ["GET"] * 4


async def test_refreshing_by_hand(scene: Scene) -> None:
    """`POST /refresh` without a body goes on with the cookies' login before it has to, and always asks auth."""
    scene.browser.hold(access_token(), "r0")
    answer = await scene.browser.ask("POST", "/refresh")
    said = json.loads(answer.body)
    assert (answer.status, said["transport"], said["expires_in"], said["scope"]) == (200, "cookie", 300, "a b")
    assert scene.browser.jar == {ACCESS: access_token(mark="renewed 1", key="new"), REFRESH: "r1"}
    assert "renewed" not in answer.body.decode()
    scene.browser.hold("", "r0")
    await scene.browser.ask("POST", "/refresh")
    assert scene.refreshes() == ["r0", "r0"]
    scene.auth.refuse_refreshes()
    answer = await scene.browser.ask("POST", "/refresh")
    assert reason(answer) == (401, "invalid_grant")
    assert answer.values("set-cookie") == CLEARED
    scene.browser.hold(access_token())
    assert reason(await scene.browser.ask("POST", "/refresh")) == (401, "no_credentials")


async def test_a_body_beside_the_cookies_is_a_second_credential(scene: Scene) -> None:
    """`/refresh` and `/logout` would otherwise have to guess whose login is meant."""
    scene.browser.hold(access_token(), "r0")
    for path in ("/refresh", "/logout"):
        answer = await scene.browser.ask("POST", path, body=b'{"refresh_token": "r7"}')
        assert reason(answer) == (400, "invalid_request")
    assert scene.auth.asked == []


@pytest.mark.parametrize("left", [None, -1.0, 300.0])
async def test_logging_out_ends_the_login_and_clears_the_cookies(scene: Scene, left: float | None) -> None:
    """By the refresh cookie, whatever has become of the access cookie."""
    scene.auth.replies["POST /logout"] = lambda _: (200, {"ended": 1, "seq": 7})
    scene.browser.hold("" if left is None else access_token(left=left), "r0")
    answer = await scene.browser.ask("POST", "/logout")
    assert (answer.status, json.loads(answer.body)) == (200, {"ended": 1, "seq": 7})
    assert answer.values("set-cookie") == CLEARED
    (asked,) = scene.auth.asked
    assert (asked.method, asked.path, json.loads(asked.body)) == ("POST", "/logout", {"refresh_token": "r0"})
    assert "authorization" not in asked.headers


async def test_logging_out_with_the_access_cookie_alone(scene: Scene) -> None:
    """It is what there is."""
    scene.browser.hold(access_token(mark="alone"))
    answer = await scene.browser.ask("POST", "/logout")
    assert answer.values("set-cookie") == CLEARED
    assert mark(scene.auth.asked[0]) == "alone"


async def test_cookies_outlast_a_logout_that_did_not_happen(scene: Scene, street: Street) -> None:
    """A logout that only deletes the cookie would leave a login that nobody can end."""
    for status, cookies in ((503, []), (429, []), (422, CLEARED)):  # the last: it is no refresh token, and ends nothing
        scene.auth.replies["POST /logout"] = lambda _, status=status: (status, {"reason": "any"})  # type: ignore[misc]
        scene.browser.hold(access_token(), "r0")
        answer = await scene.browser.ask("POST", "/logout")
        assert (answer.status, answer.values("set-cookie")) == (status, cookies)
    door = await street.door()
    answer = await Browser(door, {REFRESH: "r0"}).ask("POST", "/logout")
    assert (answer.status, answer.values("set-cookie")) == (502, [])


@pytest.mark.parametrize(("method", "path"), [("POST", "/logout"), ("GET", "/api/orders")])
async def test_auth_is_asked_to_the_end_though_the_browser_leaves(street: Street, method: str, path: str) -> None:
    """A logout is not given up half-way, nor a refresh, for which others may wait."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def watching(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        while await reader.read(1000):
            pass
        ended.set()

    _, url = await street.upstream(watching)
    door = await street.door(auth=url, upstream_answer_seconds=30)
    async with door.client() as client:
        await client.send(f"{method} {path} HTTP/1.1\r\nHost: door.test\r\n{OURS}Cookie: {REFRESH}=r0\r\n\r\n".encode())
        await asked.wait()
    await asyncio.sleep(3 * EVERY)  # in which it would notice
    assert not ended.is_set()


@pytest.mark.parametrize(
    ("method", "path", "ends"),
    [
        ("POST", "/logout/everywhere", True),
        ("DELETE", "/logins/s1", True),
        ("DELETE", "/logins/s2", False),
        ("PUT", "/password", False),
        ("GET", "/logins", False),
    ],
)
async def test_cookies_go_with_the_login_they_hold(scene: Scene, method: str, path: str, *, ends: bool) -> None:
    """However it ends; and stay when another one does, or when it does not after all."""
    for held in ((access_token(), "r0"), ("", "r0")):
        scene.browser.hold(*held)
        answer = await scene.browser.ask(method, path)
        assert answer.status == 200
        assert (answer.values("set-cookie") == CLEARED) is ends
    scene.auth.reply = (503, {"reason": "storage_unavailable"})
    scene.browser.hold(access_token(), "r0")
    assert (await scene.browser.ask(method, path)).values("set-cookie") == []


async def test_another_stacks_cookies_are_nothing_here(street: Street) -> None:
    """Doors on two ports of one host are sent each other's cookies."""
    orders = Service()
    door = await street.door(orders=await street.app(orders), public_url="http://localhost:8080")
    cookies = f"__Host-signet-9090-access={access_token()}; {ACCESS}={access_token()}; __Host-signet-twin=x"
    answer = await Browser(door).ask("POST", "/api/orders", cookies=cookies, said="Authorization: Bearer own\r\n")
    assert answer.status == 200
    assert orders.asked[0].headers["authorization"] == "Bearer own"


async def test_a_login_that_is_dead_keeps_nobody_from_logging_in(scene: Scene) -> None:
    """What stands in the jar is of no concern where nobody is asked who they are."""
    scene.auth.refuse_refreshes()
    scene.browser.hold(access_token(left=-5), "r7")
    assert (await scene.browser.log_in()).status == 200
    assert scene.browser.jar[REFRESH] == "r0"
    assert scene.auth.paths() == ["/login"]


async def test_nothing_of_a_login_is_said_in_refusals(scene: Scene) -> None:
    """No answer of the door repeats what is in a cookie."""
    secret = access_token(left=-1, mark="secret")
    scene.auth.refuse_refreshes()
    sent: list[dict[str, Any]] = [
        {"cookies": f"{ACCESS}={secret}; {REFRESH}=secret"},
        {"cookies": f"{ACCESS}={secret}; {ACCESS}={secret}"},
        {"cookies": f"{ACCESS}={secret}", "said": f"{OURS}Authorization: Bearer {secret}\r\n"},
    ]
    for each in sent:
        answer = await scene.browser.ask("GET", "/api/orders", **each)
        assert answer.status >= 400
        assert secret not in answer.body.decode()
        assert "secret" not in answer.body.decode()
