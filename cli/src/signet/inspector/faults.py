"""What is wrong with a key set: one thing, how bad it is, and a sentence about it."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Fault(NamedTuple):
    """One thing that is wrong. `code` is stable, for programs.

    An error is unsafe, or makes a Signet service refuse what is published. A warning works, and is worse than it has to
    be.
    """

    severity: Severity
    code: str
    sentence: str
    key: int | None = None
    """The number of the key that it is about, counted from 1; None when it is about the set or its server."""

    def as_json(self) -> dict[str, object]:
        """Return it as a member of a document."""
        return {"severity": self.severity, "code": self.code, "key": self.key, "sentence": self.sentence}


def error(code: str, sentence: str, *, key: int | None = None) -> Fault:
    """Make a fault that is an error."""
    return Fault("error", code, sentence, key)


def warning(code: str, sentence: str, *, key: int | None = None) -> Fault:
    """Make a fault that is a warning."""
    return Fault("warning", code, sentence, key)
