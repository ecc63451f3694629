"""A session store is whatever this machine has of one."""

import os
import subprocess
from pathlib import Path

import pytest
import redis
from tests.composed_system import why_no_engine

from side_by_side import store_server
from side_by_side.store_server import IMAGE

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_overlay_is_a_store() -> None:
    """Where there is the image and no program, a container at a free port of loopback is the store, and goes away."""
    if os.environ.get("STACK") == "embedded":  # noqa: TID251 -- the tests' own setting
        pytest.skip("STACK=embedded leaves it out")
    if lack := why_no_engine():
        pytest.skip(lack)
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"there is no image {IMAGE}")
    running = store_server._container(ROOT, os.environ)  # noqa: TID251 -- handed on to docker
    with running as server, redis.Redis.from_url(server.url) as client:
        client.set("a", "b", ex=10)
        assert client.get("a") == b"b"
        assert client.config_get("save") == {"save": ""}
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(server.url).ping()
