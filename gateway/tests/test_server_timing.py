"""What a client of the door learns of the time that its answer took."""

import pytest
from gateway.tests.test_forwarding import answer

from gateway.testing import Street

TIMED = answer("Server-Timing: orders;dur=3.20", "Server-Timing: exchange;dur=1.10;start=0.40", "Content-Length: 0")


def names(field: str) -> list[str]:
    return [each.partition(";")[0] for each in field.split(", ")]


async def test_the_door_adds_its_own_time_to_what_the_service_said(street: Street) -> None:
    """There is one header: the door, what it waited for the service, and the service's own words."""
    _, url = await street.upstream(TIMED)
    door = await street.door(orders=url, server_timing=True)
    (field,) = (await door.get("/api/orders")).values("server-timing")
    assert names(field) == ["gateway", "upstream", "orders", "exchange"]
    assert field.endswith(", orders;dur=3.20, exchange;dur=1.10;start=0.40")
    (own,) = (await door.get("/nowhere")).values("server-timing")
    assert names(own) == ["gateway"]
    (away,) = (await door.get("/api/profile")).values("server-timing")
    assert names(away) == ["gateway", "upstream"], "a service that is away was waited for"


@pytest.mark.parametrize("path", ["/", "/api/orders", "/nowhere"])
async def test_the_door_says_nothing_of_it_unless_it_is_told_to(street: Street, path: str) -> None:
    """It is off by default."""
    _, url = await street.upstream()
    door = await street.door(orders=url)
    assert (await door.get(path)).values("server-timing") == []
