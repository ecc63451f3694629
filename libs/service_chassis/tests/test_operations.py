import os

import httpx
from fastapi import FastAPI

from service_chassis.operations import OPERATIONS_ROUTES


async def test_a_process_is_alive_whatever_it_lacks(client: httpx.AsyncClient) -> None:
    """Liveness depends on nothing outside the process."""
    assert (await client.get("/healthz")).status_code == 200


async def test_a_process_that_lacks_something_says_what(client: httpx.AsyncClient) -> None:
    """One check that is not met makes 503, and its sentence is in the answer beside the worker's name."""
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["checks"] == {"moon": "The moon is not up.", "sun": "ready"}
    assert answer.json()["worker"] == str(os.getpid())


async def test_figures_say_whose_they_are(client: httpx.AsyncClient) -> None:
    """Of several workers, each answers with figures of its own, and names itself."""
    assert f'worker_info{{pid="{os.getpid()}"}} 1.0' in (await client.get("/metrics")).text


async def test_requests_are_counted_by_route_and_never_by_path(client: httpx.AsyncClient) -> None:
    """A thousand paths are one route; made-up paths and methods are one label."""
    for number in range(3):
        await client.get(f"/parcels/{number}")
    await client.request("BREW", "/tea")
    figures = (await client.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/parcels/{number}",status="200"} 3.0' in figures
    assert 'http_requests_total{method="other",route="unmatched",status="404"} 1.0' in figures
    assert "/parcels/1" not in figures
    assert "BREW" not in figures
    assert 'http_request_duration_seconds_count{method="GET",route="/parcels/{number}"} 3.0' in figures


async def test_the_list_of_internal_routes_is_what_is_served(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Whoever lists these as public lists routes that exist."""
    for route in OPERATIONS_ROUTES:
        method, path = route.split()
        assert (await client.request(method, path)).status_code in {200, 503}
