"""Pages of other origins: what serves them, and what they try."""

from http.server import BaseHTTPRequestHandler
from typing import Any

from playwright.async_api import Page

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


async def asked(page: Page, url: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 -- as fetch takes them
    return dict(await page.evaluate(FETCH, [url, options]))
