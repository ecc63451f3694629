import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.testing import Street


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with contextlib.AsyncExitStack() as stack:
        yield Street(stack)
