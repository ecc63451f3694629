"""The panel of the keys. It turns and ends those of the system that all tests here share: whoever logs in is served."""

import re

from playwright.async_api import Page, expect
from tests.browser.watched_page import assert_accessible, assert_fits_narrow, open_panel, screenshot
from tests.running_system import Person, System


async def test_an_administrator_turns_the_keys_and_ends_one(playground: System, operator: Person, page: Page) -> None:
    """After a rotation the next token is signed by another key and the old one still works; a second one is too early,
    which is explained. A compromised key's token is refused within a second, while those of others go on. Whose login
    has ended elsewhere is asked to log in again.
    """
    await open_panel(page, playground.url, "keys")
    await expect(page.locator(".key-set tbody tr")).to_have_count(2)
    await page.get_by_label("Administrator's e-mail").fill(operator.email)
    await page.get_by_label("Administrator's password").fill("not the password")
    await page.get_by_label("Administrator's password").press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("wrong_credentials")
    await page.get_by_label("Administrator's password").fill(operator.password)
    await page.get_by_label("Administrator's password").press("Enter")
    await expect(page.locator(".key-lives .state")).to_have_text(["active", "pending"])

    await page.get_by_role("button", name="Rotate now").click()
    proofs = page.locator(".proof tbody tr")
    await expect(proofs.locator("td:last-child")).to_have_text(["200 good", "200 good"])
    kids = await proofs.locator("code").all_text_contents()
    assert kids[0] != kids[1]
    await expect(page.locator(".key-lives .state")).to_have_text(["active", "pending", "retiring"])
    await expect(page.locator(".key-set tbody tr")).to_have_count(3)
    await assert_accessible(page)
    await assert_fits_narrow(page)
    await screenshot(page, "keys")

    await page.get_by_role("button", name="Rotate now").click()
    await expect(page.get_by_role("alert")).to_contain_text("rotation_too_early")

    active = page.locator(".key-lives li").filter(has=page.locator(".state-active"))
    await active.get_by_role("button", name=re.compile("^Compromised")).click()
    await active.get_by_role("button", name="Yes, end them").click()
    after = proofs.filter(has=page.get_by_role("rowheader", name="after it was compromised"))
    await expect(after.locator("td:last-child")).to_have_text("200 good")
    ended = proofs.filter(has=page.get_by_role("rowheader", name="before it was compromised"))
    await expect(ended.locator("td:last-child")).to_have_text("401 key_revoked")
    retiring = proofs.filter(has=page.get_by_role("rowheader", name="before the rotation")).first
    await expect(retiring.locator("td:last-child")).to_have_text("200 good")
    await expect(page.locator(".state-compromised")).to_have_count(1)
    await assert_accessible(page)

    credentials = {"email": operator.email, "password": operator.password}
    entered = await page.request.post(f"{playground.url}/login", data=credentials)
    authorization = f"Bearer {(await entered.json())['access_token']}"
    await page.request.post(f"{playground.url}/logout/everywhere", headers={"Authorization": authorization})
    await page.get_by_role("button", name="Look again").click()
    await expect(page.get_by_role("alert")).to_contain_text(re.compile("login_ended|invalid_grant"))
    await expect(page.get_by_role("form", name="Administrator")).to_be_visible()
    await expect(page.get_by_role("button", name="Rotate now")).to_be_hidden()
