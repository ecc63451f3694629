import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from service_chassis.logs import configure_logging
configure_logging("demo", "INFO")
log = structlog.get_logger()
with structlog.contextvars.bound_contextvars(request_id="r1"):
    log.info("order_placed", order="o1")
log.info("odd", token="t0ps3cret", headers={"Authorization": "t0ps3cret"}, note="Bearer t0ps3cret",
         values=["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"])
logging.getLogger("some.library").warning("got %s", "Basic t0ps3cret")
logging.getLogger("httpx").info("GET http://issuer/?t0ps3cret")
log.debug("quiet")
try:
    raise ValueError("Authorization: bearer t0ps3cret")
except ValueError:
    log.exception("failed")
"""


def test_logs_are_json_lines_without_anything_that_opens_a_door() -> None:
    """Our events, a library's and an exception's text are JSON lines, with credentials masked."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["order_placed", "odd", "got Basic [masked]", "failed"]
    assert lines[0] | {"service": "demo", "request_id": "r1", "order": "o1", "level": "info"} == lines[0]
    assert lines[0]["timestamp"].endswith("Z")
    assert "ValueError" in lines[3]["exception"]
    assert "t0ps3cret" not in done.stderr
    assert "c2lnbmF0dXJl" not in done.stderr
    assert done.stdout == ""
