"""The panel that lists one's logins, and ends them."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.watched_page import assert_accessible, assert_fits_narrow, open_panel, screenshot
from tests.running_system import System


async def test_logins_are_listed_and_ended_one_and_all(playground: System, page: Page) -> None:
    """Another device's login is ended from here, and then all; the page says from when on services know, and holds no
    token afterwards.
    """
    await open_panel(page, playground.url, "logins")
    await page.get_by_role("button", name="Log in", exact=True).click()
    card = page.locator(".card").filter(has_text="Logins, by the bearer token")
    await expect(card.locator("tbody tr")).to_have_count(1)
    await page.get_by_role("button", name="Log in once more").click()
    await expect(card.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("button", name="Begin one").click()
    sessions = page.locator(".card").filter(has_text="Sessions, at the session twin")
    await expect(sessions.locator("tbody tr")).to_have_count(1)
    await assert_accessible(page)
    await assert_fits_narrow(page)
    await screenshot(page, "logins")
    await card.locator("tbody tr").filter(has_not_text="this one").get_by_role("button").click()
    await expect(card.locator("tbody tr")).to_have_count(1)
    status = page.locator(".panel-logins [role=status]")
    await expect(status).to_contain_text("One login has ended. Whoever has followed the feed to")
    await sessions.get_by_role("button", name="End").click()
    await expect(sessions).to_contain_text("You hold no session.")
    await page.get_by_role("button", name="End all of them").click()
    await expect(page.get_by_text("You hold no token")).to_be_visible()
    await expect(page.get_by_role("region", name="What you hold")).not_to_contain_text("4:")


@pytest.mark.stack("embedded")
async def test_a_login_that_was_ended_elsewhere_is_said_to_be(playground: System, page: Page) -> None:
    """Who ends a login here learns, when the page asks again, that it is this one, with the reason."""
    await open_panel(page, playground.url, "logins")
    await page.get_by_role("button", name="Log in", exact=True).click()
    async with page.expect_request("**/logins") as listed:
        await page.get_by_role("button", name="List again").click()
    token = (await (await listed.value).header_value("authorization") or "").removeprefix("Bearer ")
    assert playground.post("/logout", token=token).status_code == 200
    await page.get_by_role("button", name="List again").click()
    await expect(page.locator(".panel-logins .problem .reason")).to_have_text("login_ended")
    await expect(page.get_by_text("They could not be listed.")).to_be_visible()


@pytest.mark.stack("embedded")
async def test_a_list_that_failed_can_be_asked_for_again(playground: System, page: Page) -> None:
    """While auth is away the panel says so; when it is back nobody has to log in anew."""
    away = {
        "type": "about:blank",
        "title": "Bad Gateway",
        "status": 502,
        "detail": "…",
        "reason": "upstream_unreachable",
    }
    await open_panel(page, playground.url, "logins")
    await page.route(
        "**/logins", lambda route: route.fulfill(status=502, json=away, content_type="application/problem+json")
    )
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("502 Bad Gateway")
    await page.unroute("**/logins")
    await page.get_by_role("button", name="List again").click()
    await expect(page.get_by_role("region", name="Your logins")).to_contain_text("this one")
    await expect(page.get_by_role("alert")).to_have_count(0)
