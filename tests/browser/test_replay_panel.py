"""The panel that replays a saved credential while its owner logs out."""

import json
import re

import pytest
from playwright.async_api import Page, expect
from tests.browser.watched_page import assert_accessible, assert_fits_narrow, open_panel, screenshot
from tests.running_system import System


async def test_everyone_refuses_what_was_saved_but_the_service_that_follows_nothing(
    playground: System, page: Page
) -> None:
    """Each service and the session twin refuse it from the log-out on, which the plot and the table show; the plain
    profile goes on, until the token expires. What the page held before is untouched.
    """
    await open_panel(page, playground.url, "replay")
    status = page.locator(".panel-replay [role=status]")
    await page.get_by_role("button", name="Log in, log out, and replay").click()
    await expect(status).to_contain_text("Replaying")
    await expect(status).to_contain_text("orders: refused", timeout=60_000)
    rows = page.locator(".panel-replay tbody tr")
    # The session's cookie is gone from the browser, or its record from the store: whichever the request met first.
    reasons = {
        "profile": "login_ended",
        "orders": "login_ended",
        "auth": "login_ended",
        "session twin": "no_(credentials|session)",
    }
    for name, reason in reasons.items():
        row = rows.filter(has=page.get_by_role("rowheader", name=name, exact=True))
        await expect(row).to_contain_text(re.compile(f"the log-out.*: {reason}"))
        accepted, refused = [int(text) for text in await row.locator(".figure").all_text_contents()]
        assert min(accepted, refused) >= 5, name
    plain = rows.filter(has=page.get_by_role("rowheader", name="plain profile", exact=True))
    await expect(plain).to_contain_text("still accepted, until it expires in 4:")
    assert (await plain.locator(".figure").all_text_contents())[1] == "0"
    plot = page.locator(".timeline")
    assert await plot.locator(".lane-name").all_text_contents() == [*reasons, "plain profile"]
    await expect(plot.locator(".course.expected")).to_have_count(1)
    await expect(page.get_by_role("button", name="Log in, log out, and replay")).not_to_have_attribute(
        "aria-busy", "true"
    )
    await assert_accessible(page)
    await assert_fits_narrow(page)
    await screenshot(page, "replay")
    # Nobody waits five minutes here: the answer that comes then is put in the plain profile's mouth.
    expired = {"type": "about:blank", "title": "Unauthorized", "status": 401, "reason": "expired", "detail": "Over."}
    await page.route(
        "**/laboratory/plain/**",
        lambda route: route.fulfill(status=401, content_type="application/problem+json", body=json.dumps(expired)),
    )
    await expect(plain).to_contain_text(re.compile("after the log-out: expired"))
    await expect(status).to_contain_text("plain profile: refused")
    await expect(plot).to_contain_text("and so on, until it expired")
    await page.get_by_role("button", name="Stop").click()
    await expect(status).to_have_text("Stopped.")


@pytest.mark.stack("embedded", "postgres")
async def test_every_worker_of_every_replica_refuses_it(system: System, page: Page) -> None:
    """Whichever worker a replay meets, soon after the log-out none lets it in. Where no laboratory runs, the
    page says how to have one, and asks nobody that is not there.
    """
    await open_panel(page, system.url, "replay")
    await expect(page.locator(".panel-replay")).to_contain_text("make up LABORATORY=1")
    await page.get_by_role("button", name="Log in, log out, and replay").click()
    await expect(page.locator(".panel-replay [role=status]")).to_contain_text("auth: refused", timeout=60_000)
    rows = page.locator(".panel-replay tbody tr")
    assert await rows.get_by_role("rowheader").all_text_contents() == ["profile", "orders", "auth"]
    for outcome in await rows.locator("td:last-child").all_text_contents():
        assert re.fullmatch(r"refused, (\d+ ms after the log-out|before .+): login_ended", outcome), outcome
