"""A request with a login in cookies on its way to a service: when its token is renewed, and what becomes of cookies."""

import asyncio
import json

import pytest
from gateway.tests.browser_scene import (
    ACCESS,
    CLEARED,
    REFRESH,
    Asked,
    Auth,
    Browser,
    Reply,
    Scene,
    Service,
    access_token,
    mark,
    reason,
    shown,
)

from gateway.testing import Street


@pytest.mark.parametrize("left", [None, -1.0, 0.0, 30.0])
async def test_a_token_that_is_gone_expired_or_about_to_is_renewed_on_the_way(scene: Scene, left: float | None) -> None:
    """The service sees the new one, the browser gets both, and no cache keeps the answer."""
    scene.orders.reply = (200, {}, {"cache-control": "public, max-age=60"})
    scene.browser.hold("" if left is None else access_token(left=left), "r0")
    answer = await scene.browser.ask("POST", "/api/orders", body=b"{}")
    assert answer.status == 200
    assert [mark(asked) for asked in scene.orders.asked] == ["renewed 1"]
    assert scene.browser.jar == {ACCESS: access_token(mark="renewed 1", key="new"), REFRESH: "r1"}
    assert answer.values("cache-control") == ["no-store"]
    assert scene.refreshes() == ["r0"]
    assert "cookie" not in scene.auth.asked[0].headers
    assert scene.auth.asked[0].headers["forwarded"] == 'for=127.0.0.1;host="door.test";proto=http'


async def test_a_token_with_a_tenth_of_its_life_left_is_not_renewed(scene: Scene) -> None:
    """Nor is anything else than needs it."""
    scene.browser.hold(access_token(left=31), "r0")
    await scene.browser.ask("GET", "/api/orders")
    scene.browser.hold(access_token(left=-1))  # no refresh cookie: the service says what it has to say
    await scene.browser.ask("GET", "/api/orders")
    assert [mark(asked) for asked in scene.orders.asked] == ["", ""]
    scene.browser.hold("", "r0")
    await scene.browser.ask("GET", "/api/catalogue")  # asks nobody who they are
    assert "authorization" not in scene.orders.asked[-1].headers
    assert scene.refreshes() == []


async def test_one_refresh_for_all_requests_of_a_login(scene: Scene) -> None:
    """Twenty at once wait for one question to auth, and each answer brings the same cookies."""
    scene.auth.may_answer = asyncio.Event()
    browsers = [Browser(scene.door, {REFRESH: "r0"}) for _ in range(20)]
    asking = [asyncio.create_task(browser.ask("GET", "/api/orders")) for browser in browsers]
    async with asyncio.timeout(10):
        await scene.auth.was_asked.wait()
    await asyncio.sleep(0.1)  # a second question would come now
    scene.auth.may_answer.set()
    assert [answer.status for answer in await asyncio.gather(*asking)] == [200] * 20
    assert scene.refreshes() == ["r0"]
    assert {mark(asked) for asked in scene.orders.asked} == {"renewed 1"}
    assert all(browser.jar[REFRESH] == "r1" for browser in browsers)


async def test_whoever_sends_the_old_cookie_a_moment_later_gets_the_new_ones(scene: Scene) -> None:
    """The answer may have been lost, or the request was under way before it came. After a while auth decides."""
    for seconds, refreshes in ((0, 1), (9, 1), (2, 2)):
        scene.clocks["monotonic"] += seconds
        scene.browser.hold("", "r0")
        answer = await scene.browser.ask("GET", "/api/orders")
        assert answer.status == 200
        assert scene.browser.jar[REFRESH] == "r1"
        assert len(scene.refreshes()) == refreshes


async def test_a_login_that_is_over_takes_its_cookies_along(scene: Scene) -> None:
    """Auth refuses the refresh: 401 with its reason, no service is asked, and the browser holds nothing dead."""
    scene.auth.refuse_refreshes()
    for path, held in (
        ("/api/orders", ("", "r0")),
        ("/api/orders", (access_token(left=10), "r1")),
        ("/api/orders", ("", "no token")),
    ):
        scene.browser.hold(*held)
        answer = await scene.browser.ask("GET", path)
        assert reason(answer) == (401, "invalid_grant")
        assert answer.values("www-authenticate") == ["Bearer"]
        assert answer.values("set-cookie") == CLEARED
    assert scene.orders.asked == []
    assert scene.refreshes() == ["r0", "r1"], "what cannot be a refresh token is not asked about"


async def test_a_login_that_a_service_knows_to_be_over_takes_them_too(scene: Scene) -> None:
    """The feed was faster than the access token's end."""
    scene.orders.reply = (401, {"reason": "login_ended"})
    scene.browser.hold(access_token(), "r0")
    answer = await scene.browser.ask("GET", "/api/orders")
    assert reason(answer) == (401, "login_ended")
    assert answer.values("set-cookie") == CLEARED
    assert scene.refreshes() == []


@pytest.mark.parametrize("status", [500, 503, 200])
async def test_without_auth_cookies_stay(scene: Scene, status: int) -> None:
    """503, and to be tried again: the login may be fine. Also when what auth answers is no tokens."""
    scene.auth.replies["POST /refresh"] = lambda _: (status, {})
    scene.browser.hold("", "r0")
    answer = await scene.browser.ask("GET", "/api/orders")
    assert reason(answer) == (503, "refresh_unavailable")
    assert answer.values("retry-after") == ["1"]
    assert answer.values("set-cookie") == []
    assert scene.orders.asked == []
    await scene.browser.ask("GET", "/api/orders")
    assert len(scene.refreshes()) == 1, "a crowd does not ask one by one"
    scene.auth.replies["POST /refresh"] = scene.auth.refresh
    scene.clocks["monotonic"] += 1
    assert (await scene.browser.ask("GET", "/api/orders")).status == 200


async def test_an_auth_that_hangs_is_not_waited_for_longer_than_any_service(street: Street) -> None:
    """And one that is gone is told at once."""
    auth, orders = Auth(), Service()
    auth.may_answer = asyncio.Event()
    for url, seconds in ((await street.app(auth), 0.3), ("", 60)):
        door = await street.door(auth=url, orders=await street.app(orders), upstream_answer_seconds=seconds)
        answer = await asyncio.wait_for(Browser(door, {REFRESH: "r0"}).ask("GET", "/api/orders"), 10)
        assert reason(answer) == (503, "refresh_unavailable")
    auth.may_answer.set()
    assert orders.asked == []


async def test_a_refresh_that_trickles_is_not_waited_for_either(street: Street) -> None:
    """The deadline is for the whole of auth's answer, as for a service's head."""

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _byte in range(300):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    _, url = await street.upstream(trickle)
    door = await street.door(auth=url, upstream_answer_seconds=0.5)
    answer = await asyncio.wait_for(Browser(door, {REFRESH: "r0"}).ask("GET", "/api/orders"), 10)
    assert reason(answer) == (503, "refresh_unavailable")


async def test_a_token_that_still_counts_is_used_while_it_cannot_be_renewed(scene: Scene) -> None:
    """Renewing early shall not make an outage of auth longer than it is."""
    for status in (503, 429):
        scene.auth.replies["POST /refresh"] = lambda _, status=status: (status, {}, {"retry-after": "7"})  # type: ignore[misc]
        scene.browser.hold(access_token(left=5, mark="old"), f"r{status}")
        assert (await scene.browser.ask("GET", "/api/orders")).status == 200
        assert mark(scene.orders.asked[-1]) == "old"
        scene.browser.hold(access_token(left=0), f"r{status}")
        assert (await scene.browser.ask("GET", "/api/orders")).status == status


async def test_too_many_refreshes_are_told_as_auth_tells_them(scene: Scene) -> None:
    """With its time, and without touching the cookies."""
    scene.auth.replies["POST /refresh"] = lambda _: (429, {}, {"retry-after": "7"})
    scene.browser.hold("", "r0")
    answer = await scene.browser.ask("GET", "/api/orders")
    assert reason(answer) == (429, "too_many_refreshes")
    assert (answer.values("retry-after"), answer.values("set-cookie")) == (["7"], [])


def refuse_revoked_key(asked: Asked) -> Reply:
    return (401, {"reason": "key_revoked"}) if shown(asked, 0)["kid"] == "old" else (200, {"ok": mark(asked)})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_login_outlives_the_key_of_its_token(scene: Scene, method: str) -> None:
    """A service says that the key was revoked: the token is renewed, and what is idempotent is asked once more."""
    scene.orders.replies[f"{method} /api/orders/1"] = refuse_revoked_key
    scene.browser.hold(access_token(mark="of the old key"), "r0")
    body = b'{"a": "' + b"x" * 10_000 + b'"}' if method == "PUT" else None
    answer = await scene.browser.ask(method, "/api/orders/1", body=body)
    assert (answer.status, json.loads(answer.body)) == (200, {"ok": "renewed 1"})
    assert [mark(asked) for asked in scene.orders.asked] == ["of the old key", "renewed 1"]
    assert [asked.body for asked in scene.orders.asked] == [body or b""] * 2
    assert scene.browser.jar[REFRESH] == "r1"
    assert scene.refreshes() == ["r0"]


async def test_what_is_kept_of_the_old_key_does_not_count(scene: Scene) -> None:
    """A refresh of a moment before the key was revoked led to another token of it: auth is asked again."""
    scene.auth.key = "old"
    scene.browser.hold("", "r0")
    await scene.browser.ask("GET", "/api/orders")
    scene.auth.key = "new"
    scene.orders.replies["GET /api/orders"] = refuse_revoked_key
    crowd = [Browser(scene.door, {ACCESS: access_token(), REFRESH: "r0"}) for _ in range(5)]
    answers = await asyncio.gather(*(browser.ask("GET", "/api/orders") for browser in crowd))
    assert [json.loads(answer.body) for answer in answers] == [{"ok": "renewed 1"}] * 5
    assert scene.refreshes()[0] == "r0"
    assert {browser.jar[REFRESH] for browser in crowd} == {"r1"}


async def test_what_is_not_idempotent_is_not_sent_again(scene: Scene) -> None:
    """Its sender decides; the next time there is a token of the new key. So it is with a body too large to keep."""
    for method, body in (("POST", b"{}"), ("PUT", b"x" * 70_000)):
        scene.orders.replies[f"{method} /api/orders/1"] = refuse_revoked_key
        scene.orders.asked.clear()
        scene.browser.hold(access_token(), "r0")
        answer = await scene.browser.ask(method, "/api/orders/1", body=body)
        assert reason(answer) == (401, "key_revoked")
        assert len(scene.orders.asked) == 1
        assert scene.browser.jar == {ACCESS: access_token(mark="renewed 1", key="new"), REFRESH: "r1"}


async def test_a_key_revoked_twice_over_is_told(scene: Scene) -> None:
    """Once, and no more: also when the first token was renewed on the way."""

    def refuse(asked: Asked) -> Reply:
        scene.auth.key = "newest"
        return 401, {"reason": "key_revoked"}

    scene.orders.replies["GET /api/orders"] = refuse
    scene.browser.hold("", "r0")
    assert reason(await scene.browser.ask("GET", "/api/orders")) == (401, "key_revoked")
    assert [mark(asked) for asked in scene.orders.asked] == ["renewed 1", "renewed 2"]
    assert scene.refreshes() == ["r0", "r1"]
    assert scene.browser.jar[REFRESH] == "r2"


async def test_any_other_refusal_goes_through(scene: Scene) -> None:
    """Also a 401 that is no problem document, or a large one, or one to HEAD."""
    scene.browser.hold(access_token(), "r0")
    for document in ({"reason": "wrong_audience"}, {"reason": ["key_revoked"]}, {"a": "x" * 100_000}):
        scene.orders.reply = (401, document)
        answer = await scene.browser.ask("GET", "/api/orders")
        assert (answer.status, json.loads(answer.body)) == (401, document)
        assert answer.values("set-cookie") == []
    assert scene.refreshes() == []


async def test_a_large_refusal_is_not_gathered(street: Street) -> None:
    """What is no problem document for sure goes on as it comes: the gateway's memory is not its size."""
    go_on = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 20000\r\n\r\n" + b"x" * 10_000)
        await go_on.wait()
        writer.write(b"x" * 10_000)

    _, url = await street.upstream(refuse)
    door = await street.door(orders=url)
    async with door.client() as client:
        await client.send(f"GET /api/orders HTTP/1.1\r\nHost: door.test\r\nCookie: {ACCESS}=x\r\n\r\n".encode())
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 1.5)
        assert head.startswith(b"HTTP/1.1 401 ")
        go_on.set()
        assert await client.reader.readexactly(20_000) == b"x" * 20_000


async def test_cookies_come_with_the_doors_own_refusals_too(scene: Scene, street: Street) -> None:
    """A token that was renewed must not be lost because the service behind it is gone."""
    scene.browser.hold("", "r0")
    answer = await scene.browser.ask("GET", "/api/profile")
    assert reason(answer) == (502, "upstream_unreachable")
    assert scene.browser.jar[REFRESH] == "r1"
