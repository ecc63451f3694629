"""Signing keys, as administrators see them: where each stands in its life, and the two things they can do about it."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Response
from fastapi.params import Depends
from pydantic import BaseModel

from auth_service.signing_keys import KeyRecord, KeyRing, KeysChanged, KeyState, KeyTransitions
from service_chassis.documentation import refusals
from token_verification.fastapi import requires_scope

_Kid = Annotated[str, Path(max_length=256, description="The key's id, an RFC 7638 thumbprint.")]
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}


class NextState(BaseModel):
    """What becomes of a key by itself and when; `possible_at` is from when on an administrator can have it so."""

    state: KeyState
    at: datetime
    possible_at: datetime


class ListedKey(BaseModel):
    """A signing key: its state, since when, and what is next. Never more of the key itself than its id."""

    kid: str
    state: KeyState
    since: datetime
    next: NextState | None

    @classmethod
    def of(cls, key: KeyRecord, ring: KeyRing) -> Self:
        """Describe one key of a ring."""
        forecast = ring.forecast(key)
        following = forecast and NextState(
            state=forecast.state, at=_moment(forecast.at), possible_at=_moment(forecast.possible_at)
        )
        return cls(kid=key.kid, state=key.state, since=_moment(key.since), next=following)


class ListedKeys(BaseModel):
    """Every key that there is or was, the one whose state is youngest first."""

    keys: list[ListedKey]


class ChangedKeys(BaseModel):
    """What signs from now on, and what stands ready; the revocation feed at `seq` and later knows of the change."""

    active: str
    pending: str
    seq: int

    @classmethod
    def of(cls, changed: KeysChanged) -> Self:
        """Describe what was changed."""
        return cls(active=changed.active, pending=changed.pending, seq=changed.seq)


def key_administration_router(transitions: KeyTransitions, *, recent_login: Depends) -> APIRouter:
    """Return the routes of `/admin/keys`."""
    router = APIRouter(
        prefix="/admin/keys", tags=["administration"], dependencies=[requires_scope("keys:manage"), recent_login]
    )

    @router.get("", responses=refusals(503))
    async def list_keys(response: Response) -> ListedKeys:
        """Return every signing key with its state."""
        records, ring = await transitions.all()
        response.headers["Cache-Control"] = "no-store"
        return ListedKeys(keys=[ListedKey.of(record, ring) for record in records])

    @router.post("/rotate", responses=_too_early() | refusals(503))
    async def rotate() -> ChangedKeys:
        """Let the pending key sign from now on. What the key before it has signed stays good."""
        return ChangedKeys.of(await transitions.rotate())

    @router.post("/{kid}/compromise", responses=refusals(404, 422, 503))
    async def compromise(kid: _Kid) -> ChangedKeys:
        """Let no one believe in that key any more: whatever it has signed is refused everywhere, within a second.

        If it is the active key, the pending one takes over. Asked again, nothing changes, and the answer has the same
        `seq`.
        """
        return ChangedKeys.of(await transitions.compromise(kid))

    return router


def _too_early() -> dict[int | str, dict[str, Any]]:
    documented = refusals(409)
    documented[409]["description"] = "The pending key has not been published for long enough; `possible_at` says when."
    documented[409]["headers"] = _RETRY_AFTER
    return documented


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(math.ceil(seconds), UTC)
