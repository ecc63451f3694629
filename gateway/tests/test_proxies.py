"""A proxy in front of the door that ends TLS, and who merely says to be one."""

import pytest

from gateway.testing import Street

CLAIM = "X-Forwarded-For: 203.0.113.7, 198.51.100.9\r\nX-Forwarded-Proto: https\r\n"


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        (("127.0.0.0/8",), 'for=198.51.100.9;host="door.test";proto=https'),
        (("127.0.0.1", "198.51.100.0/24"), 'for=203.0.113.7;host="door.test";proto=https'),
        (("192.0.2.0/24",), 'for=127.0.0.1;host="door.test";proto=http'),
        ((), 'for=127.0.0.1;host="door.test";proto=http'),
    ],
    ids=["one", "two in a row", "not this one", "none"],
)
async def test_only_a_named_proxy_is_believed(street: Street, proxies: tuple[str, ...], seen: str) -> None:
    """Services hear of the client whom the last proxy that is named has seen, and of nothing that it claims itself."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url, proxies=proxies)
    assert (await door.get("/api/orders", CLAIM)).status == 200
    assert upstream.requests[0].values("forwarded") == [seen]
    assert upstream.requests[0].values("x-forwarded-for") == []


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("2001:DB8::7", '"[2001:db8::7]"'),
        ("[2001:db8::7]:4711", '"[2001:db8::7]"'),
        ('fe80::1%";for=203.0.113.9;x="', '"[fe80::1]"'),
        ("x;for=203.0.113.9", "unknown"),
        ('x";for="203.0.113.9', "unknown"),
        ("203.0.113.9 203.0.113.9", "unknown"),
        ("203.0.113.9\tx", "unknown"),
        ("\u0663.0.0.1", "unknown"),
        ("x" * 9_000, "unknown"),
        ("", "127.0.0.1"),
    ],
)
async def test_what_a_proxy_says_is_an_address_or_nothing(street: Street, said: str, seen: str) -> None:
    """A proxy that passes on what its client claims shall not let it write `Forwarded`, by which auth counts."""
    upstream, url = await street.upstream()
    door = await street.door(orders=url, proxies=("127.0.0.0/8",))
    request = f"GET /api/orders HTTP/1.1\r\nHost: door.test\r\nX-Forwarded-For: {said}\r\n\r\n".encode()
    assert (await door.ask(request)).status == 200
    assert upstream.requests[0].values("forwarded") == [f'for={seen};host="door.test";proto=http']
