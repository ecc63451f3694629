"""The playground in a real browser: one Chromium and one system for all tests, a fresh profile for each."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from tests.browser.chromium import WISH, launched, why_no_browser
from tests.browser.other_origins import EmptyPage
from tests.browser.watched_page import Watch
from tests.running_system import Person, System

HERE = Path(__file__).parent

PATIENCE = 60_000
"""Milliseconds until what has not come is believed not to come: a busy machine may take as long as it needs."""

NewProfile = Callable[[], Awaitable[BrowserContext]]
"""A profile is what one person's browser remembers: cookies and storage. Its pages are tabs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all of these in one event loop, in which the browser lives, or leave them out where there is none.

    Raises UsageError when BROWSER asks for what cannot be.
    """
    if WISH not in {"", "off", "required"}:
        raise pytest.UsageError(f"BROWSER is {WISH!r}; it can be required, off, or unset.")
    lack = why_no_browser()
    if WISH == "required" and lack:
        raise pytest.UsageError(f"BROWSER=required asks for a browser, but: {lack}.")
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if lack:
                item.add_marker(pytest.mark.skip(reason=f"browser: {lack}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not run."""
    if lack := why_no_browser():
        terminalreporter.write_line(f"The tests in a browser were not run: {lack}.", yellow=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        running = await launched(playwright)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_profile(browser: Browser) -> AsyncIterator[NewProfile]:
    """Open fresh profiles; what any page of theirs reports in its console fails the test."""
    watch = Watch()
    async with AsyncExitStack() as stack:

        async def opened() -> BrowserContext:
            context = await browser.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce")
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE)
            await watch.over(context)
            return context

        yield opened
    assert watch.faults == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_profile: NewProfile) -> Page:
    """Return a tab of a fresh profile."""
    return await (await new_profile()).new_page()


@pytest.fixture(scope="session")
def elsewhere(other_port: int) -> Iterator[int]:
    """Serve the pages of another site; return the port."""
    server = ThreadingHTTPServer(("127.0.0.1", other_port), EmptyPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield other_port
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(browser: Browser) -> AsyncIterator[Page]:
    """Return a page that is not watched: what the browser refuses, it says in the console."""
    context = await browser.new_context()
    yield await context.new_page()
    await context.close()


@pytest.fixture(scope="session")
def operator(playground: System) -> Person:
    """Return that system's administrator."""
    made = playground.create_administrator("root@example.com", "Root", "correct horse administrator")
    assert made.returncode == 0, made.stdout + made.stderr
    return Person(playground, "Root", email="root@example.com", password="correct horse administrator")
