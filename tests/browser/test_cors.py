"""Pages of other origins, in a browser that keeps to what the door says of them."""

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from tests.running_system import Person, System

FETCH = """async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    return {status: answer.status, etag: answer.headers.get("etag"), document: await answer.json()};
  } catch (error) {
    return {blocked: error.name};
  }
}"""


class EmptyPage(BaseHTTPRequestHandler):
    """Answers with a page on which there is nothing, not even a script."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>elsewhere</title><link rel=icon href='data:,'>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


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


async def asked(page: Page, url: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 -- as fetch takes them
    return dict(await page.evaluate(FETCH, [url, options]))


async def test_a_listed_origins_page_calls_with_its_token_and_never_with_cookies(
    playground: System, stranger: Page, elsewhere: int
) -> None:
    """It reads answers and refusals, and places an order; with credentials the browser keeps everything from it."""
    ada = Person(playground, "Ada")
    bearer = {"Authorization": f"Bearer {ada.token}"}
    await stranger.goto(f"http://localhost:{elsewhere}/")
    read = await asked(stranger, f"{playground.url}/api/profile", headers=bearer)
    assert (read["status"], read["document"]["name"]) == (200, "Ada")
    assert read["etag"]
    body = '{"items": [{"sku": "SEAL-BRASS", "quantity": 1}]}'
    headers = bearer | {"Content-Type": "application/json", "Idempotency-Key": "elsewhere-1"}
    placed = await asked(stranger, f"{playground.url}/api/orders", method="POST", headers=headers, body=body)
    assert placed["status"] == 201
    refused = await asked(stranger, f"{playground.url}/api/profile", headers={"Authorization": "Bearer x"})
    assert (refused["status"], refused["document"]["reason"]) == (401, "malformed")
    kept = await asked(stranger, f"{playground.url}/api/catalogue", credentials="include")
    assert kept == {"blocked": "TypeError"}


async def test_any_other_origins_page_is_kept_from_every_answer(
    playground: System, stranger: Page, elsewhere: int
) -> None:
    """Neither a public answer nor one for a good token gets to it, and its preflighted request is not even sent."""
    ada = Person(playground, "Ada")
    await stranger.goto(f"http://127.0.0.1:{elsewhere}/")
    assert await asked(stranger, f"{playground.url}/api/catalogue") == {"blocked": "TypeError"}
    before = ada.get("/api/orders").json()["orders"]
    headers = {"Authorization": f"Bearer {ada.token}", "Content-Type": "application/json"}
    body = '{"items": [{"sku": "SEAL-BRASS", "quantity": 1}]}'
    tried = await asked(stranger, f"{playground.url}/api/orders", method="POST", headers=headers, body=body)
    assert tried == {"blocked": "TypeError"}
    assert ada.get("/api/orders").json()["orders"] == before == []
