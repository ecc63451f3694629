"""A page of another origin tries to use a login that is in cookies: to end it, and to begin another one."""

import asyncio
import json
from typing import Any

from playwright.async_api import Page, expect
from tests.browser.test_login_panel import logged_in
from tests.running_system import System

ATTACK = """([url, options]) =>
  fetch(url, {method: "POST", mode: "no-cors", credentials: "include", ...options}).catch(() => null).then(() => 0)"""


async def attacked(page: Page, origin: str, url: str, **options: Any) -> tuple[int, bool]:  # noqa: ANN401 -- as fetch takes them
    """Post from a page of that origin, as any page may; return the status, and whether a cookie went along.

    Both are the debugger's: the page itself is shown neither.
    """
    await page.goto(origin)
    debugger = await page.context.new_cdp_session(page)
    sent: dict[str, Any] = {}
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    debugger.on("Network.requestWillBeSentExtraInfo", lambda event: sent.update(event["headers"]))
    debugger.on("Network.responseReceivedExtraInfo", answers.put_nowait)
    await debugger.send("Network.enable")
    await page.evaluate(ATTACK, [url, options])
    answer = await asyncio.wait_for(answers.get(), 60)
    return int(answer["statusCode"]), "Cookie" in sent


async def test_another_port_of_the_host_is_the_same_site_and_only_fetch_metadata_tells_it_apart(
    playground: System, stranger: Page, elsewhere: int
) -> None:
    """The browser sends the cookies along, SameSite=Strict or not; the door refuses, and the login lives on."""
    context, page = stranger.context, await stranger.context.new_page()
    way = await logged_in(page, playground.url, "Token, in a cookie")
    before = await context.cookies()
    tried = await attacked(stranger, f"http://localhost:{elsewhere}/", f"{playground.url}/logout")
    assert tried == (403, True)
    assert await context.cookies() == before
    await way.get_by_role("button", name="Call profile").click()
    await expect(way.locator(".said")).to_contain_text("this is Ada")


async def test_another_host_is_another_site_and_gets_no_cookie_sent(
    playground: System, stranger: Page, elsewhere: int
) -> None:
    """The request arrives without a cookie, so it is nobody's; the login lives on."""
    page = await stranger.context.new_page()
    way = await logged_in(page, playground.url, "Token, in a cookie")
    tried = await attacked(stranger, f"http://127.0.0.1:{elsewhere}/", f"{playground.url}/logout")
    assert tried == (401, False)
    await way.get_by_role("button", name="Call profile").click()
    await expect(way.locator(".said")).to_contain_text("this is Ada")


async def test_another_origin_cannot_log_the_browser_in_as_somebody_else(
    playground: System, stranger: Page, elsewhere: int
) -> None:
    """Login CSRF: a page may send a text that reads as a log-in for cookies; it is refused, and no cookie is set."""
    mallory = playground.person("Mallory")
    body = json.dumps(mallory.credentials | {"transport": "cookie"})
    for host in ("localhost", "127.0.0.1"):
        tried = await attacked(stranger, f"http://{host}:{elsewhere}/", f"{playground.url}/login", body=body)
        assert tried == (403, False)
        assert await stranger.context.cookies() == []
