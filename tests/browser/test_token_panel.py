"""The panel that takes the token apart."""

import json

import pytest
from playwright.async_api import Page, expect
from tests.browser.watched_page import assert_accessible, assert_fits_narrow, open_panel, screenshot
from tests.running_system import System

REFUSED = {
    "No signature at all": "malformed",
    "Signed with the public key": "unsupported_algorithm",
    "An administrator by one's own hand": "bad_signature",
    "A year longer": "bad_signature",
    "Signed with a key of one's own": "bad_signature",
    "… and under a name of its own": "unknown_kid",
    "… and brought along": "malformed",
    "Of another kind": "wrong_type",
    "Another spelling": "malformed",
    "Genuine, of a login that has ended": "login_ended",
    "The refresh token in its place": "malformed",
}
"""What every service says to each; the one that is missing is good for profile."""


async def with_a_token(page: Page, door: str) -> None:
    await open_panel(page, door, "token")
    await page.get_by_role("button", name="Log in for a token").click()
    await expect(page.get_by_role("heading", name="As it travels")).to_be_visible()


@pytest.mark.stack("embedded")
async def test_the_browser_verifies_by_itself_what_the_key_set_is_good_for(playground: System, page: Page) -> None:
    """Every step passes for the genuine token, and the page explains each of its claims."""
    await with_a_token(page, playground.url)
    await page.get_by_role("button", name="Fetch the key set and verify").click()
    await expect(page.locator(".steps .verdict.good")).to_have_count(8)
    for claim in (
        "iss",
        "sub",
        "aud",
        "client_id",
        "iat",
        "exp",
        "jti",
        "sid",
        "auth_time",
        "scope",
        "alg",
        "typ",
        "kid",
    ):
        await expect(page.locator(".claims dt").filter(has_text=f"{claim}: ")).to_have_count(1)
    await expect(page.locator(".claims")).not_to_contain_text(["Not one of Signet's claims"] * 2)
    await expect(page.locator(".panel-token .countdown")).to_contain_text("4:")
    before = await page.locator(".token-signature").first.text_content()
    await page.get_by_role("button", name="Renew it").click()
    await expect(page.locator(".token-signature").first).not_to_have_text(str(before))


async def test_a_changed_payload_is_refused_by_every_service(playground: System, page: Page) -> None:
    """Sent as it is the payload gets in; with another name nobody believes it. What is no JSON is said to be none."""
    await with_a_token(page, playground.url)
    text = page.get_by_label("The payload")
    send = page.get_by_role("button", name="Send it to every service")
    await send.click()
    await expect(page.locator(".verdicts dd").filter(has_text="200")).to_have_count(3)
    claims = json.loads(await text.input_value())
    await text.fill(json.dumps(claims | {"name": "Root"}))
    await send.click()
    await expect(page.locator(".verdicts dd").filter(has_text="401 bad_signature")).to_have_count(3)
    await assert_fits_narrow(page)
    await text.fill("{")
    await send.click()
    await expect(page.get_by_role("alert")).to_contain_text("This is no JSON")


@pytest.mark.stack("embedded")
async def test_every_forgery_is_refused_by_everyone_with_its_reason(playground: System, page: Page) -> None:
    """Twelve attempts against the three who verify; all give the same reason, and only the genuine one for profile gets
    in, at profile.
    """
    await with_a_token(page, playground.url)
    await page.get_by_role("button", name="Try all of them").click()
    await expect(page.get_by_text("36 attempts, 35 refused")).to_be_visible()
    rows = page.locator(".forgeries tbody tr")
    assert await rows.count() == len(REFUSED) + 1
    for row in await rows.all():
        title = str(await row.locator("th").evaluate("cell => cell.firstChild.textContent"))
        said = [text.strip() for text in await row.locator("td").all_text_contents()]
        if title in REFUSED:
            assert said == [f"401 {REFUSED[title]}"] * 3, title
        else:
            assert said == ["200 lets it in", "401 wrong_audience", "401 wrong_audience"], title
    await assert_accessible(page)
    await assert_fits_narrow(page)
    await screenshot(page, "token")
    await page.get_by_text("Everything this page has sent").click()
    await page.locator(".exchanges summary").first.click()
    await expect(page.locator(".exchanges .wire").first).to_contain_text("HTTP/1.1")
