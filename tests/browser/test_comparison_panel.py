"""The panel with the table of the last comparison."""

import json

from playwright.async_api import Page, expect
from tests.browser.watched_page import assert_accessible, assert_fits_narrow, open_panel, screenshot
from tests.running_system import ROOT, System


async def test_the_table_is_the_reports(playground: System, page: Page) -> None:
    """Every row of the committed report is there, with its measured cells, its verdict and the article's words."""
    report = json.loads((ROOT / "comparison" / "report.json").read_text("utf-8"))
    await open_panel(page, playground.url, "comparison")
    shown = page.locator(".comparison tbody")
    await expect(shown).to_have_count(len(report["table"]))
    for row, body in zip(report["table"], await shown.all_text_contents(), strict=True):
        assert [cell for cell in row.values() if cell not in body] == []
    await expect(page.locator("caption")).to_contain_text(report["machine"]["when"])
    await assert_accessible(page)
    await assert_fits_narrow(page)
    await screenshot(page, "comparison")
