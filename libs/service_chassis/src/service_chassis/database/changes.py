"""What other processes have committed: how a process that waits for it gets to know."""

from typing import Final, Protocol

LOOK_SECONDS: Final = 1.0
"""How long whoever waits is left without a word: then it is time to look, whatever was lost on the way."""


class Changes(Protocol):
    """Tells that something may have been committed, by any process."""

    async def wait(self) -> None:
        """Return when something was committed since the last return, and when it is time to look anyway.

        That is soon after the commit as long as all is well. Whoever waits looks for themselves at what has changed.
        """
