"""The page around the panels, and the pages of the gateway as such."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.watched_page import open_panel, tab_to
from tests.running_system import Person, System

PROBLEM = "application/problem+json"
ENDED = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "…", "reason": "invalid_grant"}
"""What auth says to the refresh token of a login that has ended."""


async def test_the_page_opens_at_the_door(system: System, page: Page) -> None:
    """A person who types the address gets the page and all its panels, and logs in: by a token, and by cookies."""
    await page.goto(system.url)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Log in three ways")
    for link in await page.get_by_role("navigation", name="Panels").get_by_role("link").all():
        await link.click()
        await expect(link).to_have_attribute("aria-current", "page")
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await open_panel(page, system.url, "login")
    for title in ("Token, as bearer", "Token, in a cookie"):
        way = page.get_by_role("article", name=title)
        await way.get_by_role("button", name="Log in").click()
        await expect(way.locator(".said")).to_contain_text("Logged in")
        await way.get_by_role("button", name="Call profile").click()
        await expect(way.locator(".said")).to_contain_text("this is Ada")


@pytest.mark.stack("embedded")
async def test_a_panel_that_could_not_be_fetched_says_so_and_is_tried_again(playground: System, stranger: Page) -> None:
    """A person sees why, not the panel before it, and gets it by choosing it again."""
    await open_panel(stranger, playground.url, "login")
    await stranger.route("**/panels/token.js", lambda route: route.abort())
    link = stranger.get_by_role("link", name="The token")
    await link.click()
    await expect(stranger.get_by_role("alert")).to_contain_text("This panel could not be shown")
    await stranger.unroute("**/panels/token.js")
    await stranger.get_by_role("link", name="The key set").click()
    await expect(stranger.locator(".panel-keys")).to_be_visible()
    await link.click()
    await expect(stranger.get_by_role("button", name="Log in for a token")).to_be_visible()


@pytest.mark.stack("embedded")
async def test_the_bearer_token_is_renewed_on_any_panel(playground: System, page: Page) -> None:
    """Beside the time that is left, wherever one is; a login that has ended is said to be, and let go of."""
    await open_panel(page, playground.url, "services")
    await page.get_by_role("button", name="Log in for a bearer token").click()
    held = page.get_by_role("region", name="What you hold")
    renew = held.get_by_role("button", name="Renew the bearer token")
    async with page.expect_response("**/refresh") as renewed:
        await renew.click()
    assert (await renewed.value).status == 200
    await page.route("**/refresh", lambda route: route.fulfill(status=400, json=ENDED, content_type=PROBLEM))
    await renew.click()
    await expect(held.get_by_role("alert")).to_contain_text("one has to log in again")
    await expect(page.get_by_role("columnheader", name="bearer token")).to_contain_text("none yet")


@pytest.mark.stack("embedded")
async def test_the_panels_can_be_reached_by_keyboard_alone(playground: System, page: Page) -> None:
    """Tab leads to the skip link first, then to every panel; Enter opens one."""
    await open_panel(page, playground.url, "login")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the panel")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.reload()
    await page.locator("html[data-ready]").wait_for(state="attached")
    wanted = page.get_by_role("link", name="The token")
    await tab_to(page, wanted, most=12)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("The token, taken apart")


@pytest.mark.stack("embedded")
async def test_the_documentation_needs_no_inline_style(playground: System, page: Page) -> None:
    """Swagger UI unfolds and sends a request under the policy without `unsafe-inline`."""
    answer = await page.goto(f"{playground.url}/docs")
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    await page.locator(".opblock-summary-get").filter(has_text="/api/catalogue").click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_role("button", name="Execute").click()
    await expect(page.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")


@pytest.mark.stack("embedded")
async def test_the_documentation_sends_one_credential(playground: System, page: Page) -> None:
    """A browser's login in cookies counts there, until a token is typed in: then that, and not both, which are 400."""
    person = Person(playground, "Ada")
    await page.goto(f"{playground.url}/docs")
    logged_in = """wish => fetch("/login", {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(wish)
    }).then(answer => answer.status)"""
    assert await page.evaluate(logged_in, person.credentials | {"transport": "cookie"}) == 200
    await page.locator(".opblock-summary-get").filter(has_text="/api/profile").first.click()
    await page.get_by_role("button", name="Try it out").click()
    executed = page.get_by_role("button", name="Execute")
    status = page.locator(".live-responses-table tbody .response-col_status")
    await executed.click()
    await expect(status).to_contain_text("200")  # by the cookies
    await page.get_by_role("button", name="Clear").click()
    await page.locator(".auth-wrapper .authorize").click()
    await page.locator(".modal-ux input").fill(person.token)
    await page.locator(".modal-ux .authorize").click()
    await page.locator(".modal-ux .btn-done").click()
    await executed.click()
    await expect(status).to_contain_text("200")
