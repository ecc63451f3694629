"""The README's examples, run as they stand there."""

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"


async def test_the_examples_run(tmp_path: Path) -> None:
    """The service of the README works, and its tests pass."""
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, README, "exec"), names)
    await names["test_orders_are_the_callers_own"](tmp_path)
    await names["test_nothing_else_is_public"](tmp_path)
    await names["test_a_login_that_has_ended_is_refused"](tmp_path)
