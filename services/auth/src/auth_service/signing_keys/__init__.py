"""Signing keys: made here, rotated by themselves, and never used before the world can know them."""

from auth_service.signing_keys.current_keys import KeysUnavailable, SigningKeys
from auth_service.signing_keys.key_material import KeyMaker, SigningKey, label
from auth_service.signing_keys.life_cycle import KeyRecord, KeyRing, KeyState, KeyTimes
from auth_service.signing_keys.schedule import KeySchedule
from auth_service.signing_keys.storage import EXCLUSIVE
from auth_service.signing_keys.transitions import KeysChanged, KeyTransitions, RotationTooEarly, UnknownKey

__all__ = [
    "EXCLUSIVE",
    "KeyMaker",
    "KeyRecord",
    "KeyRing",
    "KeySchedule",
    "KeyState",
    "KeyTimes",
    "KeyTransitions",
    "KeysChanged",
    "KeysUnavailable",
    "RotationTooEarly",
    "SigningKey",
    "SigningKeys",
    "UnknownKey",
    "label",
]
