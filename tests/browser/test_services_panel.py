"""The panel that calls the services, and draws the way that each request took."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from playwright.async_api import Page, Response, expect
from tests.browser.watched_page import assert_accessible, assert_fits_narrow, open_panel, screenshot
from tests.running_system import System


def parts(answer: Response) -> dict[str, float]:
    """Return what an answer's Server-Timing says: milliseconds by part."""
    said = [part.split(";") for part in answer.headers["server-timing"].split(", ")]
    return {name: float(took.removeprefix("dur=")) for name, took, *_ in said}


def shown(took: float) -> str:
    """Return milliseconds as the page has them: JavaScript rounds a half up, and Python's formatting to even."""
    return f"{Decimal(took).quantize(Decimal('0.01' if took < 1 else '0.1'), ROUND_HALF_UP)} ms"


async def test_the_way_of_an_order_is_drawn_from_its_own_timing(playground: System, page: Page) -> None:
    """The drawing has every process that had a part in it, the table each part's time as the answer's header has it."""
    await open_panel(page, playground.url, "services")
    await page.get_by_role("button", name="Log in for a bearer token").click()
    asking = page.get_by_role("button", name="Place an order, bearer token")
    await expect(page.get_by_role("columnheader", name="bearer token")).to_contain_text("held")
    await asking.focus()
    async with page.expect_response("**/api/orders") as answered:
        await page.keyboard.press("Enter")
    answer = await answered.value
    assert answer.status == 201
    drawing = page.get_by_role("img", name="Place an order")
    assert await drawing.locator(".lane-name").all_text_contents() == [
        "browser",
        "gateway",
        "orders",
        "auth",
        "profile",
    ]
    said = parts(answer)
    assert list(said) == ["gateway", "upstream", "orders", "verify", "exchange", "profile"]
    for name, took in said.items():
        row = page.locator(".shares tr").filter(has=page.get_by_role("rowheader", name=name, exact=True))
        await expect(row.get_by_role("cell").nth(2)).to_have_text(shown(took))
    await page.get_by_text("The same in words").click()
    await expect(page.locator(".in-words li").filter(has_text="orders to auth: exchange this token")).to_be_visible()
    await assert_accessible(page)
    await assert_fits_narrow(page)
    await screenshot(page, "services")


async def test_each_credential_is_asked_with_and_a_refusal_says_why(playground: System, page: Page) -> None:
    """A session's way leads to its own app; with nothing a service answers 401, and its reason is shown."""
    await open_panel(page, playground.url, "services")
    for way in ("bearer token", "token in a cookie", "session"):
        await page.get_by_role("button", name=f"Log in for a {way}").click()
        await expect(page.get_by_role("columnheader", name=way)).to_contain_text("held")
    await page.get_by_role("button", name="Ask everything").click()
    for way, status in {"none": "401", "bearer": "20", "cookie": "20", "session": "20"}.items():
        for cell in await page.locator(f".asking td.by-{way}").all():
            await expect(cell).to_contain_text(status)
    await expect(page.get_by_text("the twin takes no orders")).to_be_visible()
    await page.locator(".asking td.by-session button").first.click()
    drawing = page.get_by_role("img", name="Read my profile")
    await expect(drawing.locator(".lane-name").last).to_have_text("session twin")
    await expect(drawing).to_contain_text("looks the id up")
    await page.get_by_role("button", name="201").last.click()
    drawing = page.get_by_role("img", name="Place an order")
    await expect(drawing).to_contain_text("the token, as Authorization")
    await page.locator(".asking td.by-none button").first.click()
    await expect(page.locator(".problem .reason")).to_have_text("no_credentials")


RENEWED = "gateway;dur=30, upstream;dur=12;start=1, upstream;dur=14;start=14, profile;dur=10, verify;dur=0.1;start=0.2"

JOURNEY = """async (field) => {
  const { journeyOf } = await import("/playground/journey.js");
  const exchange = {
    milliseconds: 40, way: "cookie", request: {method: "GET", path: "/api/profile"},
    answer: {status: 200, problem: null, fields: field === null ? [] : [{name: "server-timing", value: field}]},
  };
  const { steps, told } = journeyOf(exchange, "profile", true);
  return [told, ...steps.map(({ at, from, to }) => [at, from, to])];
}"""


@pytest.mark.stack("embedded")
async def test_a_renewal_on_the_way_is_a_part_of_it(playground: System, page: Page) -> None:
    """A login in a cookie that was renewed unseen is seen here; what is on the way between two processes is halved.

    Where nobody says how long anything took, only what the browser knows is told.
    """
    await open_panel(page, playground.url, "services")
    assert await page.evaluate(JOURNEY, RENEWED) == [
        True,
        [0, "browser", "gateway"],
        [6, "gateway", "auth"],
        [18, "auth", "gateway"],
        [19, "gateway", "profile"],
        [21.2, "profile", "profile"],
        [31, "profile", "gateway"],
        [40, "gateway", "browser"],
    ]
    assert await page.evaluate(JOURNEY, None) == [False, [0, "browser", "gateway"], [40, "gateway", "browser"]]


@pytest.mark.stack("embedded")
async def test_an_order_whose_address_is_pending_is_said_to_be(playground: System, page: Page) -> None:
    """Nothing is claimed of an exchange that did not come about."""
    pending = {"delivery": {"status": "pending", "address": None, "reason": "unavailable"}}
    await open_panel(page, playground.url, "services")
    await page.route("**/api/orders", lambda route: route.fulfill(status=201, json=pending))
    await page.get_by_role("button", name="Place an order, with nothing").click()
    await expect(page.get_by_text("The order is placed all the same")).to_be_visible()
