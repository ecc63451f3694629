"""What runs for comparison alone, behind the same door, and nothing of it unless it is asked for."""

import json

import pytest
from gateway.tests.test_forwarding import answer

from gateway.testing import Street, get

COOKIES = (
    b"Set-Cookie: __Host-signet-twin=id; Path=/; Secure; HttpOnly",
    b"Set-Cookie: __Host-signet-access=planted; Path=/; Secure",
    b"Set-Cookie: other=1",
)
LOGGED_IN = answer(*(each.decode() for each in COOKIES), "Content-Length: 0", status="204 No Content")


@pytest.mark.parametrize("path", ["/laboratory/plain/api/profile", "/laboratory/session/api/profile", "/laboratory/"])
async def test_without_a_laboratory_its_paths_do_not_exist(street: Street, path: str) -> None:
    """They are 404 as any other."""
    door = await street.door()
    refused = await door.get(path)
    assert (refused.status, json.loads(refused.body)["reason"]) == (404, "not_found")


async def test_what_runs_is_at_its_own_paths_which_are_cut_off(street: Street) -> None:
    """Each gets the path that it knows; what it has besides is as internal as anyone's."""
    plain, plain_url = await street.upstream()
    twin, twin_url = await street.upstream()
    door = await street.door(plain_url=plain_url, session_twin_url=twin_url)
    assert (await door.get("/laboratory/plain/api/profile?a=%2F", "Authorization: Bearer t\r\n")).status == 200
    assert (await door.get("/laboratory/session/sessions/abc")).status == 200
    assert (plain.requests[0].target, plain.requests[0].values("authorization")) == (
        b"/api/profile?a=%2F",
        ["Bearer t"],
    )
    assert twin.requests[0].target == b"/sessions/abc"
    for hidden in ("plain/metrics", "session/readyz", "plain/api/profiles/x", "nobody/api/profile", "plain", ""):
        assert (await door.get(f"/laboratory/{hidden}")).status == 404, hidden
    assert (await door.get("/laboratory/session/sessions/..%2Freadyz")).status == 400


async def test_only_the_twins_own_cookie_passes_and_only_to_and_from_the_twin(street: Street) -> None:
    """Neither another cookie nor a token reaches it, and it can set none but its own."""
    plain, plain_url = await street.upstream(LOGGED_IN)
    twin, twin_url = await street.upstream(LOGGED_IN)
    door = await street.door(plain_url=plain_url, session_twin_url=twin_url)
    headers = (
        "Cookie: __Host-signet-access=a; __Host-signet-twin=one; __Host-signet-twin2=b\r\n"
        "Cookie: __Host-signet-twin=two; c=d\r\nAuthorization: Bearer t\r\n"
    )
    from_twin = await door.ask(get("/laboratory/session/login", headers, method="POST"))
    from_plain = await door.get("/laboratory/plain/api/profile", headers)
    (asked,) = twin.requests
    assert asked.values("cookie") == ["__Host-signet-twin=one; __Host-signet-twin=two"]
    assert asked.values("authorization") == []
    assert plain.requests[0].values("cookie") == []
    assert from_twin.values("set-cookie") == ["__Host-signet-twin=id; Path=/; Secure; HttpOnly"]
    assert from_plain.values("set-cookie") == []


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("Sec-Fetch-Site: same-origin\r\nOrigin: http://door.test\r\n", ["same-origin"]),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: http://door.test\r\n", ["cross-site"]),
        ("Origin: http://door.test\r\n", []),
        ("Origin: http://door.test:81\r\n", ["cross-site"]),
        ("Origin: null\r\n", ["cross-site"]),
        ("", []),
    ],
)
async def test_the_twin_is_told_from_where_a_request_comes(street: Street, sent: str, told: list[str]) -> None:
    """It refuses another site's requests by itself; that its address is another one inside must not mislead it."""
    twin, url = await street.upstream(LOGGED_IN)
    door = await street.door(session_twin_url=url)
    await door.ask(get("/laboratory/session/logout", sent, method="POST"))
    assert twin.requests[0].values("sec-fetch-site") == told
    assert twin.requests[0].values("origin") == []
