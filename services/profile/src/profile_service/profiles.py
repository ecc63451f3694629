"""Profiles: what a subject says about itself, kept under its `sub`, changed by one compare-and-swap."""

from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from profile_service import database as tables
from profile_service.texts import AddressLine, Bio, Country, DisplayName, LanguageTag, PostalCode
from service_chassis.database import Database, Lookup

_Street = Annotated[list[AddressLine], Field(min_length=1, max_length=4)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeliveryAddress(_Document):
    """Where a parcel reaches the subject; whole, or not there at all."""

    recipient: AddressLine
    street: _Street
    postal_code: PostalCode | None = None
    city: AddressLine
    region: AddressLine | None = None
    country: Country


class Profile(_Document):
    """What a subject has said about itself. A profile that was never written is one with nothing in it."""

    display_name: DisplayName | None = None
    bio: Bio | None = None
    locale: LanguageTag | None = None
    delivery_address: DeliveryAddress | None = None


class DeliveryAddressPatch(_Document):
    """A change of an address: members that are absent stay, null removes. [RFC 7396]"""

    recipient: AddressLine | None = None
    street: _Street | None = None
    postal_code: PostalCode | None = None
    city: AddressLine | None = None
    region: AddressLine | None = None
    country: Country | None = None


class ProfilePatch(_Document):
    """A change of a profile: members that are absent stay, null removes. [RFC 7396]"""

    display_name: DisplayName | None = None
    bio: Bio | None = None
    locale: LanguageTag | None = None
    delivery_address: DeliveryAddressPatch | None = None


class StoredProfile(NamedTuple):
    """A profile and the count of writes that made it; 0 when there was none yet."""

    profile: Profile
    version: int


_OF_SUBJECT = Lookup(select(tables.profiles).where(tables.profiles.c.sub == bindparam("sub")))

NEVER_WRITTEN = StoredProfile(Profile(), version=0)


def merged(profile: Profile, patch: ProfilePatch) -> Profile:
    """Return the profile with the patch applied. Raises pydantic's ValidationError when the whole makes no sense."""
    changed = merge_patch(profile.model_dump(exclude_none=True), patch.model_dump(exclude_unset=True))
    return Profile.model_validate(changed)


def merge_patch(target: JsonValue, patch: JsonValue) -> JsonValue:
    """Return the target with the patch applied. [RFC 7396 section 2]"""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


class Profiles:
    """The profiles in a database. Every method raises StorageUnavailable when that cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, subject: str) -> StoredProfile | None:
        """Return what is stored of a subject, or None."""
        found = await self._database.look_up(_OF_SUBJECT, sub=subject)
        if not found:
            return None
        [row] = found
        return StoredProfile(Profile.model_validate({name: row[name] for name in Profile.model_fields}), row["version"])

    async def replace(self, subject: str, profile: Profile, *, version: int) -> bool:
        """Store a profile where the stored one still has this version; False when another write came first."""
        values: dict[str, Any] = {"version": version + 1, **profile.model_dump()}
        async with self._database.writing() as connection:
            if version == NEVER_WRITTEN.version:
                try:
                    await connection.execute(insert(tables.profiles).values(sub=subject, **values))
                except IntegrityError:
                    return False
                return True
            swapped = await connection.execute(
                update(tables.profiles)
                .where(tables.profiles.c.sub == subject, tables.profiles.c.version == version)
                .values(values)
            )
            return swapped.rowcount == 1
