"""The pages of the gateway's own, as a browser under their policy would see them."""

import json
import posixpath
import re

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from gateway.own_pages import PATHS
from gateway.playground_pages import playground_pages
from gateway.testing import Street, get

PLAYGROUND = {page.path: page for page in playground_pages()}


@pytest.mark.parametrize("path", sorted(PATHS | PLAYGROUND.keys()))
async def test_the_pages_load_nothing_from_elsewhere_and_say_so(street: Street, path: str) -> None:
    """The policy allows this origin alone, and no script that stands in a page."""
    door = await street.door()
    response = await door.get(path)
    assert response.status == 200
    (policy,) = response.values("content-security-policy")
    directives = {directive.split()[0]: directive.split()[1:] for directive in policy.split("; ")}
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == directives["style-src"] == directives["connect-src"] == ["'self'"]
    assert not re.search(r"https?:|\*|unsafe", policy)
    assert response.values("x-content-type-options") == ["nosniff"]


async def test_the_page_refers_only_to_what_the_gateway_serves(street: Street) -> None:
    """No CDN, no inline script, no handler in an attribute; and each address it names answers."""
    door = await street.door()
    page = (await door.get("/docs")).body.decode()
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', page)
    assert {address for address in addresses if not address.startswith("data:")} <= PATHS
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|//", page.replace("<!doctype", ""))
    script = (await door.get("/docs/start.js")).body.decode()
    assert "//" not in script
    styles = (await door.get("/docs/swagger-ui.css")).body.decode()
    assert not re.search(r"@import|url\((?!\s*[\"']?(?:data:|#))", styles)


def test_the_playground_loads_only_what_is_there_and_makes_no_markup_of_text() -> None:
    """Every file that one names exists; no address elsewhere, no inline script or style, no string as HTML."""
    for path, page in PLAYGROUND.items():
        text = page.body.decode() if path.endswith((".html", ".css", ".js")) else ""
        named = re.findall(r'(?:src|href)="(/[^"]*)"', text)
        if path.endswith(".js"):
            here = path.rpartition("/")[0]
            for relative in re.findall(r'(?:from|import) "(\.[^"]+)"', text):
                named.append(posixpath.normpath(f"{here}/{relative}"))
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|setAttribute\(.style", text
            ), path
        assert {name for name in named if name not in PATHS} <= PLAYGROUND.keys(), path
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|<[^>]+\sstyle=|<[^>]+\son\w+=", text), path
        # One is the name of a language, the other stands in a sentence about cookies.
        elsewhere = set(re.findall(r"https?://[^\s\"'`]+", text)) - {"http://www.w3.org/2000/svg", "http://localhost"}
        assert elsewhere == set(), path


async def test_a_browser_gets_the_page_and_a_program_the_index(street: Street) -> None:
    """At the door itself `Accept` decides, and caches are told so; each has an ETag of its own."""
    door = await street.door()
    shown = await door.get("/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n")
    index = await door.get("/", "Accept: */*\r\n")
    assert shown.body == PLAYGROUND["/playground/index.html"].body
    assert json.loads(index.body)["playground"] == "/playground/index.html"
    assert shown.values("vary") == index.values("vary") == ["Accept"]
    assert shown.values("etag") != index.values("etag")
    (etag,) = shown.values("etag")
    assert (await door.get("/", f"Accept: text/html\r\nIf-None-Match: {etag}\r\n")).status == 304
    assert (await door.get("/", f"If-None-Match: {etag}\r\n")).status == 200


@pytest.mark.parametrize("path", ["", "nothing.js", "panels", "__init__.py", "%69ndex.html", "styles/../index.html"])
async def test_nothing_else_is_in_the_playground(street: Street, path: str) -> None:
    """What is no page of it is a problem, and never a file that happens to lie there."""
    door = await street.door()
    response = await door.get(f"/playground/{path}")
    assert response.status == 404
    assert json.loads(response.body)["reason"] == "not_found"


async def test_the_assets_are_those_of_a_swagger_ui_that_is_kept_up(street: Street) -> None:
    """Version 5, from the installed package."""
    door = await street.door()
    response = await door.get("/docs/swagger-ui-bundle.js")
    assert response.values("content-type") == ["text/javascript; charset=utf-8"]
    assert re.search(rb'PACKAGE_VERSION:"5\.', response.body)


async def test_pages_are_revalidated_and_read_only(street: Street) -> None:
    """304 for what a browser has, 405 for anything but reading."""
    door = await street.door()
    (etag,) = (await door.get("/docs")).values("etag")
    assert (await door.get("/docs", f"If-None-Match: {etag}\r\n")).status == 304
    response = await door.ask(get("/docs", "Content-Length: 0\r\n", method="POST"))
    assert response.status == 405
    assert response.values("allow") == ["GET, HEAD"]
    assert (await door.ask(get("/docs", method="HEAD"), to_head=True)).status == 200


async def test_the_index_names_the_way_in(street: Street) -> None:
    """A person who knows only the address finds the documentation, the key set and something to look at."""
    door = await street.door()
    index = json.loads((await door.get("/")).body)
    assert index["documentation"] == "/docs"
    assert index["jwks_uri"] == "/.well-known/jwks.json"
    assert index["catalogue"] == "/api/catalogue"


class Order(BaseModel):
    id: str


async def test_the_document_is_put_together_from_running_services(street: Street) -> None:
    """A service's own OpenAPI arrives, without its internal routes; one that is down is named as left out."""
    service = FastAPI()

    @service.get("/api/orders/{order}")
    async def read_order(order: str) -> Order:
        return Order(id=order)

    @service.get("/healthz")
    async def alive() -> str:
        return ""

    door = await street.door(orders=await street.app(service))
    document = json.loads((await door.get("/docs/openapi.json")).body)
    assert set(document["paths"]) == {"/api/orders/{order}"}
    assert {"Order", "HTTPValidationError", "ValidationError"} == set(document["components"]["schemas"])
    assert document["servers"] == [{"url": "/"}]
    assert "auth, profile" in document["info"]["description"]


@pytest.mark.parametrize("nonsense", [b"[]", b"{", b"\xff", b'{"paths": 1}', b"[" * 100_000, b"a" * 3_000_000])
async def test_nonsense_from_a_service_is_left_out(street: Street, nonsense: bytes) -> None:
    """Neither its shape nor its depth nor its size breaks the document."""
    _, url = await street.upstream(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(nonsense) + nonsense)
    door = await street.door(orders=url)
    document = json.loads((await door.get("/docs/openapi.json")).body)
    assert "orders" in document["info"]["description"]


async def test_the_document_is_fetched_once_for_all_who_ask(street: Street) -> None:
    """Whoever asks often does not make the services answer often."""
    upstream, url = await street.upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b'{"paths":{}}')
    door = await street.door(orders=url)
    for _ in range(5):
        assert (await door.get("/docs/openapi.json")).status == 200
    assert len(upstream.requests) == 1
