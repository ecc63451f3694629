"""Where sessions are kept. A store knows records and when they may be forgotten; what they mean is decided above it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one device, as the server remembers it. Times are seconds since the epoch."""

    subject: str
    name: str
    device: str
    began: float
    used: float
    ends: float
    """When it is over, unless it is used before."""


class SessionStore(Protocol):
    """Sessions by the SHA-256 of their ids. Every method raises StorageUnavailable when the store cannot be used."""

    async def open(self) -> None:
        """Get ready to be used; a store that is away now may come later."""

    async def add(self, key: str, session: Session) -> None:
        """Keep a new session."""

    async def find(self, key: str) -> Session | None:
        """Return a session, which may be over, or None."""

    async def renew(self, key: str, session: Session) -> None:
        """Replace a session, but only where there is one: an ended one never comes back."""

    async def remove(self, key: str) -> None:
        """Forget a session, if it is there."""

    async def of(self, subject: str) -> dict[str, Session]:
        """Return all sessions of a subject by their keys; some may be over."""

    async def ready(self) -> str | None:
        """Answer None when the store answers, or a sentence."""

    async def close(self) -> None:
        """Let go of every connection."""
