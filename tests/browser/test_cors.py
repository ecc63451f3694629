"""Pages of other origins, in a browser that keeps to what the door says of them."""

import json

from playwright.async_api import Page
from tests.browser.other_origins import asked
from tests.running_system import Person, System


async def test_a_listed_origins_page_calls_with_its_token_and_never_with_cookies(
    playground: System, stranger: Page, elsewhere: int
) -> None:
    """It reads answers and refusals, places an order and logs in; it gets no login for cookies, and with credentials
    the browser keeps everything from it.
    """
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
    as_json, credentials = {"Content-Type": "application/json"}, json.dumps(ada.credentials)
    logged_in = await asked(stranger, f"{playground.url}/login", method="POST", headers=as_json, body=credentials)
    assert logged_in["document"]["access_token"]
    for_cookies = json.dumps(ada.credentials | {"transport": "cookie"})
    refused = await asked(stranger, f"{playground.url}/login", method="POST", headers=as_json, body=for_cookies)
    assert refused["status"] == 403
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
