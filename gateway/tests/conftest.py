import contextlib
from collections.abc import AsyncIterator

import pytest
from gateway.tests.browser_scene import Scene, set_scene

from gateway.testing import Street


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with contextlib.AsyncExitStack() as stack:
        yield Street(stack)


@pytest.fixture
async def scene(street: Street) -> Scene:
    return await set_scene(street)
