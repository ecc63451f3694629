"""Logging in for cookies, at the door: what auth hears of it, and what the browser gets."""

import asyncio
import json

import pytest
from gateway.tests.browser_scene import (
    ACCESS,
    OURS,
    REFRESH,
    Auth,
    Scene,
    reason,
)

from gateway.testing import Street


async def test_a_login_for_cookies_has_no_token_in_its_body(scene: Scene) -> None:
    """The tokens are in `Set-Cookie` alone; the body says all about the cookies but their values."""
    answer = await scene.browser.log_in(scope="a b")
    assert answer.status == 200
    assert scene.browser.jar == {ACCESS: scene.auth.access, REFRESH: "r0"}
    attributes = "Path=/; Secure; HttpOnly; SameSite=Strict"
    described = [f"{ACCESS}=…; Max-Age=300; {attributes}", f"{REFRESH}=…; Max-Age=1800; {attributes}"]
    said = json.loads(answer.body)
    assert said == {"transport": "cookie", "expires_in": 300, "scope": "a b", "set_cookie": described}
    assert [
        each.replace(scene.auth.access, "…").replace("r0", "…") for each in answer.values("set-cookie")
    ] == described
    assert answer.values("cache-control") == ["no-store"]
    (asked,) = scene.auth.asked
    assert json.loads(asked.body) == {"email": "ada@example.com", "password": "correct", "scope": "a b"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"email": "a", "password": "b"}',
        b'{"email": "a", "password": "b", "transport": "body"}',
        b'{"email": "a", "email": "b", "transport": "cookie"}',
        b'{"transport": "cookie", "transport": "cookie"}',
        b'["transport", "cookie"]',
        b'{"transport": "cookie"',
        b'{"transport": "cookie", "password": "' + b"x" * 20_000 + b'"}',
        b"[" * 15_000 + b'"transport"',
        b"",
    ],
)
async def test_any_other_login_goes_to_auth_as_it_is(scene: Scene, body: bytes) -> None:
    """Auth answers it, and refuses what it does not know; no cookie is set, and nobody asks where it comes from."""
    answer = await scene.browser.ask("POST", "/login", body=body, said="")
    assert [asked.body for asked in scene.auth.asked] == [body]
    assert json.loads(answer.body)["refresh_token"] == "r0"
    assert answer.values("set-cookie") == []


async def test_a_login_that_comes_in_pieces_is_one(scene: Scene) -> None:
    """Chunked, and over several packets: auth gets it whole, with its length."""
    parts = (b'{"email": "a", "trans', b'port": "cook', b'ie", "password": "b"}')
    async with scene.door.client() as client:
        await client.send(
            f"POST /login HTTP/1.1\r\nHost: door.test\r\n{OURS}Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for part in parts:
            await client.send(b"%x\r\n%b\r\n" % (len(part), part))
            await asyncio.sleep(0.01)
        answer = await client.ask(b"0\r\n\r\n")
    assert answer.status == 200
    assert len(answer.values("set-cookie")) == 2
    assert scene.auth.asked[0].body == b'{"email": "a", "password": "b"}'
    assert scene.auth.asked[0].headers["content-length"] == "31"


async def test_a_refused_login_sets_nothing(scene: Scene) -> None:
    """Auth's refusal goes through."""
    scene.auth.replies["POST /login"] = lambda _: (401, {"reason": "wrong_credentials"})
    answer = await scene.browser.log_in()
    assert reason(answer) == (401, "wrong_credentials")
    assert answer.values("set-cookie") == []


@pytest.mark.parametrize("said", ["", "Sec-Fetch-Site: cross-site\r\n", "Origin: http://evil.test\r\n"])
async def test_another_sites_page_logs_nobody_in(scene: Scene, said: str) -> None:
    """Login CSRF: whoever makes a browser log in as somebody else reads what its user then writes."""
    body = json.dumps({"email": "a", "password": "b", "transport": "cookie"}).encode()
    answer = await scene.browser.ask("POST", "/login", body=body, said=said)
    assert reason(answer) == (403, "cross_site")
    assert scene.auth.asked == []


async def test_a_login_whose_token_fits_no_cookie_is_refused_and_ended(scene: Scene) -> None:
    """A browser would drop the cookie without a word, and the login would stay open with nobody to end it."""
    scene.auth.access = "e30." + "x" * 4096 + ".c2ln"
    answer = await scene.browser.log_in()
    assert reason(answer) == (422, "cookie_too_large")
    assert answer.values("set-cookie") == []
    assert scene.auth.paths() == ["/login", "/logout"]
    assert json.loads(scene.auth.asked[1].body) == {"refresh_token": "r0"}


async def test_a_login_that_sends_its_body_slowly_is_let_go(street: Street) -> None:
    """What is looked into at the door has the deadline of everything else there."""
    auth = Auth()
    door = await street.door(auth=await street.app(auth), upload_pause_seconds=0.2)
    async with door.client() as client:
        await client.send(b"POST /login HTTP/1.1\r\nHost: door.test\r\nContent-Length: 50\r\n\r\n{")
        answer = await asyncio.wait_for(client.response(), 10)
    assert reason(answer) == (408, "body_timeout")
    assert auth.asked == []
