"""The panel that logs in three ways."""

import re

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect
from tests.browser.conftest import NewProfile
from tests.browser.watched_page import assert_accessible, assert_fits_narrow, open_panel, screenshot, tab_to
from tests.running_system import System

WAYS = {"Session": "session", "Token, as bearer": "bearer", "Token, in a cookie": "cookie"}


def card(page: Page, title: str) -> Locator:
    return page.get_by_role("article", name=title)


async def logged_in(page: Page, door: str, title: str) -> Locator:
    """Open the panel and log in one way."""
    await open_panel(page, door, "login")
    way = card(page, title)
    await way.get_by_role("button", name="Log in").click()
    await expect(way.locator(".said")).to_contain_text("Logged in")
    return way


async def cookies(context: BrowserContext) -> dict[str, dict[str, object]]:
    return {str(cookie["name"]): dict(cookie) for cookie in await context.cookies()}


async def test_one_logs_in_three_ways_and_sees_what_each_is(playground: System, page: Page) -> None:
    """One press logs in each way; profile knows the person each way, and each is logged out by itself. On the wire each
    shows what it is: an id in a cookie, tokens in the body, tokens in cookies.
    """
    await open_panel(page, playground.url, "login")
    await page.get_by_role("button", name="Log in all three ways").click()
    for title in WAYS:
        way = card(page, title)
        await expect(way.locator(".said")).to_contain_text("Logged in")
    await expect(card(page, "Session").locator(".wire")).to_contain_text("set-cookie: __Host-signet-twin=…; Max-Age=")
    await expect(card(page, "Token, as bearer").locator(".wire")).to_contain_text('"access_token": "eyJ')
    in_cookie = card(page, "Token, in a cookie")
    await expect(in_cookie.locator(".wire")).to_contain_text('"transport": "cookie"')
    await expect(in_cookie.locator(".wire")).not_to_contain_text("eyJ")
    for term in ("Max-Age=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"):
        await expect(in_cookie.locator(".cookie-parts").first).to_contain_text(term)
    await assert_accessible(page)
    await assert_fits_narrow(page)
    await screenshot(page, "login")
    for title in WAYS:
        way = card(page, title)
        await way.get_by_role("button", name="Call profile").click()
        await expect(way.locator(".said")).to_contain_text("this is Ada")
        await way.get_by_role("button", name="Log out").click()
        await expect(way.locator(".said")).to_contain_text("Logged out")
        await expect(way.get_by_role("button", name="Call profile")).to_be_disabled()
    assert await page.context.cookies() == []


@pytest.mark.stack("embedded")
async def test_the_cookies_are_as_the_page_explains_them(playground: System, page: Page) -> None:
    """What stands in the explanation is what the browser has taken: attribute by attribute, for all three cookies."""
    shown = {}
    for title in ("Session", "Token, in a cookie"):
        way = await logged_in(page, playground.url, title)
        for parts in await way.locator(".cookie-parts").all():
            name, *attributes = [text.split("=…")[0] for text in await parts.locator("dt").all_text_contents()]
            shown[name] = attributes
    taken = await cookies(page.context)
    assert shown.keys() == taken.keys()
    assert len(taken) == 3
    now = await page.evaluate("Date.now() / 1000")
    for name, cookie in taken.items():
        said = dict(attribute.partition("=")[::2] for attribute in shown[name])
        assert (cookie["httpOnly"], cookie["secure"], cookie["path"]) == ("HttpOnly" in said, "Secure" in said, "/")
        assert cookie["sameSite"] == said["SameSite"]
        assert abs(float(str(cookie["expires"])) - now - float(said["Max-Age"])) < 60, name


@pytest.mark.stack("embedded")
async def test_no_script_reads_what_a_cookie_holds(playground: System, page: Page) -> None:
    """`document.cookie` and the cookie store are empty, and neither the page nor its storage has the tokens."""
    way = await logged_in(page, playground.url, "Token, in a cookie")
    values = [str(cookie["value"]) for cookie in await page.context.cookies()]
    assert len(values) == 2
    assert all(len(value) > 40 for value in values)
    assert await page.evaluate("document.cookie") == ""
    assert await page.evaluate("cookieStore.getAll().then((all) => all.length)") == 0
    seen = await page.evaluate(
        "JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.body.innerHTML"
    )
    assert not any(value in seen for value in values)
    await expect(way).to_contain_text('document.cookie is ""')


@pytest.mark.stack("embedded")
async def test_a_wrong_password_is_explained(playground: System, page: Page) -> None:
    """A refusal is shown with its status, its reason and what it means: never a silent nothing."""
    await logged_in(page, playground.url, "Token, as bearer")
    await page.get_by_label("Password", exact=True).fill("another horse altogether")
    way = card(page, "Token, as bearer")
    await way.get_by_role("button", name="Log in").click()
    alert = way.get_by_role("alert")
    await expect(alert).to_contain_text("401 Unauthorized")
    await expect(alert).to_contain_text("wrong_credentials")


@pytest.mark.stack("embedded")
async def test_an_ended_login_renews_unseen_and_over_means_over(playground: System, page: Page) -> None:
    """When the access cookie's time is over the browser drops it; the next request is answered as if nothing had been,
    with both cookies set again. When the login itself has ended, the page says so.
    """
    way = await logged_in(page, playground.url, "Token, in a cookie")
    before = await cookies(page.context)
    (access,) = [name for name in before if name.endswith("-access")]
    await page.context.clear_cookies(name=access)
    await way.get_by_role("button", name="Call profile").click()
    await expect(way.locator(".said")).to_contain_text("this is Ada")
    after = await cookies(page.context)
    assert after.keys() == before.keys()
    assert all(after[name]["value"] != before[name]["value"] for name in after)
    await page.context.clear_cookies()
    await way.get_by_role("button", name="Call profile").click()
    await expect(way.get_by_role("alert")).to_contain_text("no_credentials")
    await expect(way.get_by_role("button", name="Call profile")).to_be_disabled()


@pytest.mark.stack("embedded")
async def test_two_tabs_that_refresh_at_once_both_stay_logged_in(playground: System, new_profile: NewProfile) -> None:
    """Both lack the access cookie and ask at the same moment, several times: one login, no loser."""
    context = await new_profile()
    first, second = await context.new_page(), await context.new_page()
    await logged_in(first, playground.url, "Token, in a cookie")
    await open_panel(second, playground.url, "login")
    (access,) = [name for name in await cookies(context) if name.endswith("-access")]
    ask = "Promise.all([1, 2, 3].map(() => fetch('/api/profile').then((answer) => answer.status)))"
    for _ in range(3):
        await context.clear_cookies(name=access)
        # The promises are begun in both tabs before either is waited for.
        for tab in (first, second):
            await tab.evaluate(f"window.asked = {ask}; 0")
        for tab in (first, second):
            assert await tab.evaluate("window.asked") == [200, 200, 200]
    refreshed = "fetch('/refresh', {method: 'POST'}).then((answer) => answer.status)"
    for tab in (first, second):
        await tab.evaluate(f"window.asked = {refreshed}; 0")
    assert [await tab.evaluate("window.asked") for tab in (first, second)] == [200, 200]
    logins = await first.evaluate("fetch('/logins').then((answer) => answer.json())")
    assert len(logins["logins"]) == 1


@pytest.mark.stack("embedded")
async def test_a_log_out_in_one_tab_is_seen_in_the_other(playground: System, new_profile: NewProfile) -> None:
    """The other tab knows at once, without having asked for anything, and has no way to go on."""
    context = await new_profile()
    first, second = await context.new_page(), await context.new_page()
    way = await logged_in(first, playground.url, "Token, in a cookie")
    await open_panel(second, playground.url, "login")
    there = card(second, "Token, in a cookie")
    await expect(there.get_by_role("button", name="Call profile")).to_be_enabled()
    await way.get_by_role("button", name="Log out").click()
    await expect(there.get_by_role("button", name="Call profile")).to_be_disabled()
    await expect(second.locator("#holdings")).to_have_text(re.compile("Token in a cookienone"))
    assert await second.evaluate("fetch('/api/profile').then((answer) => answer.status)") == 401


@pytest.mark.stack("embedded")
async def test_all_of_it_by_keyboard_alone(playground: System, page: Page) -> None:
    """Log in and out without a pointer; the focus stays on what was pressed."""
    await open_panel(page, playground.url, "login")
    way = card(page, "Token, as bearer")
    enter = way.get_by_role("button", name="Log in")
    await tab_to(page, enter)
    await page.keyboard.press("Enter")
    await expect(way.locator(".said")).to_contain_text("Logged in")
    await expect(enter).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(way.locator(".said")).to_contain_text("Logged out")
