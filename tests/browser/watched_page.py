"""Pages that are watched: what a person would find in the console fails the test."""

import asyncio
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, WebError
from tests.running_system import ROOT

SCREENSHOTS: Final = ROOT / ".screenshots"
AXE: Final = Path(str(distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js"))).read_text(
    "utf-8"
)

_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of [45]")
"""Chromium's remark on each refusal that a script gets: the page asks for many on purpose, and shows them."""

_ASSETS = re.compile(r"/(playground|docs)(/|$)")

_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI} ${event.sample}`));
"""


class Watch:
    """What has gone wrong on the pages of one browser context."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    async def over(self, context: BrowserContext) -> None:
        """Watch all pages of a context: console errors, uncaught exceptions, and reports of the policy."""
        context.on("console", self._hear)
        context.on("weberror", self._catch)
        await context.add_init_script(_TELL_VIOLATIONS)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if _REFUSED.match(message.text) and not _ASSETS.search(message.location["url"]):
            return
        self.faults.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _catch(self, error: WebError) -> None:
        self.faults.append(f"uncaught: {error.error}")


async def open_panel(page: Page, url: str, name: str) -> None:
    """Open the playground at the door `url` and wait until one of its panels is shown."""
    await page.goto(f"{url}/#{name}")
    await page.locator("html[data-ready]").wait_for(state="attached")
    await page.locator(f".panel-{name}").wait_for()


async def assert_accessible(page: Page) -> None:
    """Let axe-core look at the page as it stands, in light and in dark."""
    # By the debugger and not by a script element, which the page's policy would rightly forbid.
    await page.evaluate(AXE)
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        violations = [
            (violation["id"], violation["help"], [node["html"] + node["failureSummary"] for node in violation["nodes"]])
            for violation in found["violations"]
        ]
        assert violations == [], (scheme, violations)
    await page.emulate_media(color_scheme="light")


async def assert_fits_narrow(page: Page) -> None:
    """At the width of a telephone nothing of the page as it stands has to be scrolled sideways but what says so."""
    wide = page.viewport_size
    await page.set_viewport_size({"width": 360, "height": 740})
    inside, shown = 0, 0
    for _ in range(200):  # the page learns of its new width a moment later
        inside, shown = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if inside <= shown == 360:
            break
        await asyncio.sleep(0.05)
    assert inside <= shown == 360, (inside, shown)
    if wide is not None:
        await page.set_viewport_size(wide)


async def screenshot(page: Page, name: str) -> None:
    """Leave pictures of the page for people to look at: light, dark, and narrow."""
    SCREENSHOTS.mkdir(exist_ok=True)
    wide = page.viewport_size
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png", full_page=True)
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.screenshot(path=SCREENSHOTS / f"{name}-narrow.png", full_page=True)
    if wide is not None:
        await page.set_viewport_size(wide)


async def tab_to(page: Page, wanted: Locator, *, most: int = 40) -> None:
    """Press Tab until something has the focus, or so often: whoever then presses Enter presses something else."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element === document.activeElement"):
            return
