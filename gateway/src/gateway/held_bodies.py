"""The beginnings of bodies that are still on their way, and how much memory they may take together."""

from collections.abc import Callable


class HeldBodies:
    """Counts what is held of all bodies, and gives up the oldest when it is too much.

    Who sends at a sensible speed is through in a moment: whoever has been at it longest is the slowest, or means harm.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of all bodies together."""
        self._limit = limit
        self._total = 0
        self._sizes: dict[Callable[[], None], int] = {}

    def hold(self, size: int, give_up: Callable[[], None]) -> None:
        """Count `size` bytes for a body, in place of what was counted for it before.

        `give_up` stands for the body; it is called if others need the room, maybe at once and for this one.
        """
        self._total += size - self._sizes.get(give_up, 0)
        self._sizes[give_up] = size
        while self._total > self._limit:
            oldest = next(iter(self._sizes))
            self.let_go(oldest)
            oldest()

    def let_go(self, give_up: Callable[[], None]) -> None:
        """Count a body no more."""
        self._total -= self._sizes.pop(give_up, 0)
