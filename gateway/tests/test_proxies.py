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
