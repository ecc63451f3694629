import os

import httpx
from fastapi import FastAPI

from service_chassis.operations import OPERATIONS_ROUTES, Metrics


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


def test_times_are_counted_in_the_library_s_own_shape() -> None:
    """Each bucket holds all that took no longer than its bound, as Prometheus has it, to the very bound."""
    metrics = Metrics()
    for seconds in (0.001, 0.0011, 3.0, 60.0):
        metrics.requests.count("GET", "/a", 200, seconds)
    found = {
        sample.labels["le"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "http_request_duration_seconds_bucket"
    }
    assert (found["0.001"], found["0.0025"], found["2.5"], found["5.0"], found["+Inf"]) == (1, 2, 2, 3, 4)
    assert metrics.registry.get_sample_value("http_request_duration_seconds_sum", {"method": "GET", "route": "/a"})


async def test_the_list_of_internal_routes_is_what_is_served(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Whoever lists these as public lists routes that exist."""
    for route in OPERATIONS_ROUTES:
        method, path = route.split()
        assert (await client.request(method, path)).status_code in {200, 503}
