"""Sessions in this process's memory: gone when it ends, and unknown to every other."""

from session_twin.stores import Session


class MemoryStore:
    """A dictionary. Whoever logs in forgets, now and then, what is over."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._of: dict[str, set[str]] = {}
        self._sweep_at = 1024

    def __len__(self) -> int:
        """Return how many sessions are kept."""
        return len(self._sessions)

    async def open(self) -> None:
        """Do nothing."""

    async def add(self, key: str, session: Session) -> None:
        """Keep a new session; each time their number has doubled, look for those that are over."""
        if len(self._sessions) >= self._sweep_at:
            for old in [old for old, kept in self._sessions.items() if kept.ends <= session.began]:
                await self.remove(old)
            self._sweep_at = max(1024, 2 * len(self._sessions))
        self._sessions[key] = session
        self._of.setdefault(session.subject, set()).add(key)

    async def find(self, key: str) -> Session | None:
        """Return a session or None."""
        return self._sessions.get(key)

    async def renew(self, key: str, session: Session) -> None:
        """Replace a session that is there."""
        if key in self._sessions:
            self._sessions[key] = session

    async def remove(self, key: str) -> None:
        """Forget a session."""
        session = self._sessions.pop(key, None)
        if session is not None:
            keys = self._of[session.subject]
            keys.discard(key)
            if not keys:
                del self._of[session.subject]

    async def of(self, subject: str) -> dict[str, Session]:
        """Return all sessions of a subject."""
        return {key: self._sessions[key] for key in self._of.get(subject, ())}

    async def ready(self) -> str | None:
        """Answer that it is ready: it always is."""
        return None

    async def close(self) -> None:
        """Do nothing."""
