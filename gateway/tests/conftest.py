import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop
from gateway.tests.browser_scene import Scene, set_scene

from gateway.testing import Street


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], uvloop.Loop]]:
    """Test on the event loop that the gateway runs on: loops differ in what they do first."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with contextlib.AsyncExitStack() as stack:
        yield Street(stack)


@pytest.fixture
async def scene(street: Street) -> Scene:
    return await set_scene(street)
