import socket
import subprocess
import sys

PROGRAM = """
import asyncio, sys
from service_chassis.process import serve
from service_chassis.settings import ProcessSettings
async def app(scope, receive, send): ...
serve(lambda: app, ProcessSettings(port=sys.argv[1]), prepare=lambda: asyncio.sleep(0))
"""


def test_a_taken_port_is_a_sentence_and_not_a_trace() -> None:
    """A process whose port is taken says so, names the port, and ends with status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([sys.executable, "-c", PROGRAM, str(port)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"Cannot listen on 127.0.0.1 port {port}: Address already in use.\n"


def test_an_application_that_does_not_start_ends_the_process() -> None:
    """A start that fails inside the application is not taken for a clean end."""
    program = PROGRAM.replace("...", "raise OSError('no database')")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = subprocess.run([sys.executable, "-c", program, str(port)], capture_output=True, text=True, check=False)
    assert done.returncode == 3
