"""The rule of refresh tokens against a model of it, under any order of uses, waits and logouts."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from auth_service.accounts import insert_account
from auth_service.database import revocations
from auth_service.open_logins import OpenLogins
from auth_service.refresh_key import RefreshKey
from auth_service.refresh_tokens import InvalidGrant, RefreshTokens, hash_of
from auth_service.revocations import RevocationLog
from service_chassis.database import Database
from service_chassis.sealing import KeyEncryptionKey

GRACE, IDLE, LIFE = 10.0, 1800.0, 43_200.0

# A wait in seconds, a use of the nth token from the newest, or a logout by it.
Step = tuple[str, float]
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.5, 5.0, 10.0, 10.5, 900.0, 1799.0, 1801.0, 20_000.0])),
    st.tuples(st.just("use"), st.sampled_from([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0])),
    st.tuples(st.just("log out"), st.sampled_from([0.0, 1.0, 2.0])),
)


@dataclass
class Model:
    """What the protocol says, in memory."""

    now: float
    tokens: list[str]
    used_at: list[float] = field(default_factory=list)
    ended: bool = False

    def __post_init__(self) -> None:
        self.ends_at = self.now + LIFE
        self.last_used_at = self.now

    def is_open(self) -> bool:
        return not self.ended and self.now < self.ends_at and self.now < self.last_used_at + IDLE

    def successor_of(self, index: int, made: str | None) -> str | None:
        """Use a token; return what it leads to, `made` being what came of it in truth."""
        if not self.is_open():
            return None
        if index == len(self.tokens) - 1:
            assert made is not None, "an unused token of an open login was refused"
            assert made not in self.tokens
            self.used_at.append(self.now)
            self.tokens.append(made)
        elif index + 1 < len(self.used_at) and self.now - self.used_at[index + 1] > GRACE:
            self.ended = True
            return None
        if index + 1 == len(self.used_at) or self.now - self.last_used_at > GRACE:
            self.last_used_at = self.now
        return self.tokens[index + 1]


@given(st.lists(STEPS, max_size=25))
@example([("use", 0), ("use", 0), ("use", 2), ("wait", 10.5), ("use", 2), ("use", 0)])
@example([("use", 0), ("log out", 1), ("use", 1), ("use", 0)])
@settings(max_examples=30, deadline=None)
def test_every_use_leads_where_the_model_says(steps: list[Step]) -> None:
    """Token by token: the same successor, the same refusals, the same end, and on the log exactly what has ended."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_follow(steps, Path(folder)))


async def _follow(steps: list[Step], folder: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{folder}/auth.db")
    await database.migrate("auth_service")
    KeyEncryptionKey.make_or_read(folder / "kek")
    key = RefreshKey(database, key_encryption_key_file=folder / "kek")
    await key.open()
    model = Model(1_800_000_000.0, [])

    def clock() -> float:
        return model.now

    log = RevocationLog(database, remember_for=605, clock=clock)
    refresh_tokens = RefreshTokens(database, log, key, idle_life=IDLE, grace=GRACE, clock=clock)
    open_logins = OpenLogins(database, log, life=LIFE, idle_life=IDLE, clock=clock)
    async with database.writing() as connection:
        account = await insert_account(
            connection, email="ada@example.com", name="Ada", password_hash="", administrator=False, created_at=0
        )
        await open_logins.begin(
            connection,
            sid="one",
            sub=account.sub,
            device="",
            address="",
            audience=["urn:signet:auth"],
            scope="orders:read",
            now=model.now,
        )
        model.tokens.append(await refresh_tokens.first(connection, "one"))
    for step, number in steps:
        index = len(model.tokens) - 1 - int(number)
        if step == "wait":
            model.now += number
        elif index >= 0 and step == "log out":
            ended = await open_logins.end_family(hash_of(model.tokens[index]))
            assert ended.number == int(not model.ended and model.now < model.ends_at)
            model.ended = model.ended or bool(ended.number)
        elif index >= 0:
            try:
                made = (await refresh_tokens.use(model.tokens[index])).refresh_token
            except InvalidGrant:
                made = None
            assert model.successor_of(index, made) == made
    async with database.reading() as connection:
        on_log = list((await connection.execute(select(revocations.c.id))).scalars())
    assert on_log == ["one"] * model.ended
    await database.close()
