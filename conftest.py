"""Runs before any test module is imported.

pytest's importlib mode names test modules by their path, so it would make an empty package `gateway` of the folder of
that name before a test could import the real one; it leaves alone what is imported already.
"""

import pytest

import gateway  # noqa: F401

pytest.register_assert_rewrite("tests.resource_server_promises")

pytest_plugins = ["tests.postgresql_plugin", "tests.crowded_disk"]
