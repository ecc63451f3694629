"""How a command says that it could not do what it was asked."""


class Failure(Exception):  # noqa: N818 - it ends a command, and `except Failure` says so
    """One sentence for the person at the terminal, and an exit status; never a trace.

    `excerpt` is what lies behind it, such as the last lines of a process's log, shown below the sentence.
    """

    def __init__(self, sentence: str, *, excerpt: str = "", status: int = 1) -> None:
        super().__init__(sentence)
        self.excerpt = excerpt
        self.status = status
