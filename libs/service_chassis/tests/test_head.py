import socket
import subprocess
import sys

import httpx
import pytest


@pytest.mark.parametrize("path", ["/parcels/7", "/healthz", "/metrics", "/openapi.json", "/gone", "/nowhere"])
async def test_head_answers_as_get_does_without_the_body(client: httpx.AsyncClient, path: str) -> None:
    """Status and headers are GET's, Content-Length included; no byte of the body is sent. [RFC 9110 section 9.3.2]"""
    wanted, answer = await client.get(path), await client.head(path)
    assert answer.status_code == wanted.status_code
    assert answer.content == b""
    own = {"x-request-id", "content-length"} if path == "/metrics" else {"x-request-id"}
    assert {name: value for name, value in answer.headers.items() if name not in own} == {
        name: value for name, value in wanted.headers.items() if name not in own
    }


async def test_head_is_counted_under_its_route(client: httpx.AsyncClient) -> None:
    """The route that served it is known to the metrics."""
    await client.head("/parcels/7")
    figures = (await client.get("/metrics")).text
    assert 'http_requests_total{method="HEAD",route="/parcels/{number}",status="200"} 1.0' in figures


PROGRAM = """
import asyncio, sys
from fastapi import FastAPI
from service_chassis.fit_out import observe, take_json
from service_chassis.process import serve
from service_chassis.settings import ProcessSettings
app = FastAPI()
take_json(app)
observe(app, readiness={})
serve(lambda: app, ProcessSettings(port=sys.argv[1]), prepare=lambda: asyncio.sleep(0))
"""


def test_a_connection_goes_on_after_head_and_ctrl_c_leaves_no_trace() -> None:
    """After HEAD the next answer on the connection is read right; and the process ends quietly."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)], stderr=subprocess.PIPE, text=True)
    try:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=5) as client:
            assert client.head("/healthz").headers["content-length"] == "18"
            assert client.get("/healthz").json() == {"status": "alive"}
        process.send_signal(2)
        assert "Traceback" not in process.communicate(timeout=15)[1]
    finally:
        process.kill()
        process.wait()
