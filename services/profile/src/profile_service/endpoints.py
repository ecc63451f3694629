"""The resources of profile: the caller's own profile, and, for administrators, anyone's."""

from typing import Annotated, Any

import msgspec
import structlog
from fastapi import APIRouter, Body, Depends, Header, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from profile_service.profiles import NEVER_WRITTEN, Profile, ProfilePatch, Profiles, merged
from service_chassis.conditional_requests import (
    entity_tag,
    is_unchanged,
    lost_update,
    matches_anything,
    require_match,
)
from service_chassis.documentation import refusals
from service_chassis.problems import Problem
from token_verification.fastapi import Caller, requires_scope

MEDIA_TYPES = ("application/json", "application/merge-patch+json")

router = APIRouter()
_json = msgspec.json.Encoder(enc_hook=vars).encode  # a model within a model as its fields
_log = structlog.get_logger()


class StoredProfile(Profile):
    """What is stored of a subject. Its name is not: that is in the tokens of the subject alone."""

    sub: str


class OwnProfile(StoredProfile):
    """The caller's own profile; `name` is what the access token says, the rest what the caller wrote here."""

    name: str | None


async def _profiles(request: Request) -> Profiles:
    profiles: Profiles = request.app.state.profiles
    return profiles


TheProfiles = Annotated[Profiles, Depends(_profiles)]
Subject = Annotated[str, Path(max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]

_TAGGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "Names these bytes.", "schema": {"type": "string"}}}}
}
_CONDITION: dict[str, Any] = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "schema": {"type": "string"},
            "description": "The ETag of what the client has; 304 when nothing has changed.",
        }
    ]
}


@router.get(
    "/api/profile",
    dependencies=[requires_scope("profile:read")],
    response_model=OwnProfile,
    responses=_TAGGED | {304: {"description": "The client has it already."}},
    openapi_extra=_CONDITION,
)
async def read_own_profile(caller: Caller, request: Request) -> Response:
    """Return the caller's own profile, which is there before anything was ever written to it."""
    profiles = await _profiles(request)
    if caller.actor is not None:
        _log.info("profile_read_on_behalf", sub=caller.subject, actor=caller.actor)
    stored = await profiles.find(caller.subject) or NEVER_WRITTEN
    return _answer(request, _own(caller, stored.profile))


@router.patch(
    "/api/profile",
    dependencies=[requires_scope("profile:write")],
    response_model=OwnProfile,
    responses=_TAGGED | refusals(400, 412, 413, 415, 422, 428),
)
async def change_own_profile(
    caller: Caller,
    profiles: TheProfiles,
    request: Request,
    patch: Annotated[ProfilePatch, Body(media_type="application/merge-patch+json")],
    if_match: Annotated[  # noqa: ARG001 -- read from all headers of that name; declared for the documentation
        str | None, Header(description="The ETag of the profile that is to be changed, or `*`.")
    ] = None,
) -> Response:
    """Change the members that the body names; null removes one. [RFC 7396]"""
    while True:
        stored = await profiles.find(caller.subject) or NEVER_WRITTEN
        require_match(request.headers, entity_tag(_own(caller, stored.profile)))
        profile = _merged(stored.profile, patch)
        if await profiles.replace(caller.subject, profile, version=stored.version):
            break
        # Another write came first. Who said `*` wants this one whatever there is by now; nobody else does.
        if not matches_anything(request.headers):
            raise lost_update()
    _log.info("profile_changed", sub=caller.subject)
    return _answer(request, _own(caller, profile))


@router.get(
    "/api/profiles/{sub}",
    dependencies=[requires_scope("profiles:read")],
    responses=refusals(404, 422),
)
async def read_profile(sub: Subject, profiles: TheProfiles, response: Response) -> StoredProfile:
    """Return what is stored of a subject, to an administrator."""
    stored = await profiles.find(sub)
    if stored is None:
        raise Problem(404, "not_found", "Nothing is stored of this subject.")
    response.headers["Cache-Control"] = "no-store"
    return StoredProfile(sub=sub, **dict(stored.profile))


def _own(caller: Caller, profile: Profile) -> bytes:
    # The members of OwnProfile, in its order: nothing of it needs to be validated once more.
    return _json({**vars(profile), "sub": caller.subject, "name": caller.name})


def _answer(request: Request, body: bytes) -> Response:
    tag = entity_tag(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.method == "GET" and is_unchanged(request.headers, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _merged(profile: Profile, patch: ProfilePatch) -> Profile:
    try:
        return merged(profile, patch)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([fault | {"loc": ("body", *fault["loc"])} for fault in faults]) from None
