"""An installed Chromium: whether there is one, and how it is started. No browser is ever downloaded."""

import os
import shutil

from playwright.async_api import Browser, Playwright

NAMES = ("chromium", "google-chrome-stable")

WISH = os.environ.get("BROWSER", "")  # noqa: TID251 -- the tests' own setting, read once
"""`required` makes the lack of a browser a failure, `off` leaves these tests out."""


def executable() -> str | None:
    """Return where the browser is, None if there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def why_no_browser() -> str | None:
    """Return None when the tests in a browser run, or why not."""
    if WISH == "off":
        return "BROWSER=off leaves them out"
    return None if executable() else "Chromium is not installed (Debian: apt-get install chromium)"


async def launched(playwright: Playwright) -> Browser:
    """Start it, without a window. Its sandbox cannot be had by root."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return await playwright.chromium.launch(executable_path=executable(), args=arguments)
