"""Runs before any test module is imported.

pytest's importlib mode names test modules by their path, so it would make an empty package `gateway` of the folder of
that name before a test could import the real one; it leaves alone what is imported already.
"""

import gc

import pytest

import gateway  # noqa: F401

pytest.register_assert_rewrite("tests.resource_server_promises")

pytest_plugins = ["tests.postgresql_plugin", "tests.crowded_disk"]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what was collected out of every later garbage collection.

    It lives as long as the tests, and to go through all of it stops an event loop for longer than some deadlines are.
    """
    gc.collect()
    gc.freeze()
