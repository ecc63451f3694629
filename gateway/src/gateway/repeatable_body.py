"""A request's body that may have to be sent a second time."""

from starlette.types import Message, Receive


class RepeatableBody:
    """Passes a body on, and remembers it, as long as it is no larger than `most` bytes."""

    def __init__(self, receive: Receive, *, most: int) -> None:
        self._receive = receive
        self._most = most
        self._passed: list[Message] = []
        self._size = 0

    @property
    def is_repeatable(self) -> bool:
        """Whether all that has been passed on is remembered."""
        return self._size <= self._most

    async def receive(self) -> Message:
        """Return what comes next."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self.is_repeatable:
                self._passed.append(message)
            else:
                self._passed.clear()
        return message

    def again(self) -> Receive:
        """Return a `receive` that begins anew."""
        passed = iter(self._passed)

        async def receive_again() -> Message:
            return next(passed, None) or await self._receive()

        return receive_again
