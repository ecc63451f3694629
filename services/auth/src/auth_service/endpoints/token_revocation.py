"""The revocation endpoint: a token in, nothing out, and nobody learns whether there was such a token. [RFC 7009]"""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from auth_service.access_tokens import FIRST_PARTY_CLIENT
from auth_service.clients import Clients
from auth_service.endpoints.oauth import (
    CLIENT_PARAMETERS,
    NOT_STORED,
    documented_form,
    documented_refusals,
    error_answer,
    form_of,
    is_first_party,
    proved_service,
    wanted,
)
from auth_service.token_revocation import TokenRevocation
from service_chassis.problems import Problem

REVOCATION_PATH: Final = "/oauth/revoke"

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "description": "An access token or a refresh token."},
        "token_type_hint": {"type": "string", "description": "Not needed: the two kinds look different."},
        **CLIENT_PARAMETERS,
    },
}


def token_revocation_router(clients: Clients, revocation: TokenRevocation) -> APIRouter:
    """Return the route `POST /oauth/revoke`."""
    router = APIRouter(tags=["tokens"])

    @router.post(
        REVOCATION_PATH,
        response_class=Response,
        openapi_extra=documented_form(_SCHEMA),
        responses=documented_refusals("The request is refused, or the token is another client's.")
        | {200: {"description": "The token counts no more, if it ever did."}},
    )
    async def revoke_token(request: Request) -> Response:
        """Revoke a token that this client was given: an access token alone, or the whole login of a refresh token."""
        try:
            form = await form_of(request)
            token = wanted(form, "token")
            is_public = is_first_party(form)
            client_id = FIRST_PARTY_CLIENT if is_public else (await proved_service(clients, form)).client_id
            await revocation.revoke(client_id, token)
        except Problem as problem:
            return error_answer(problem)
        return Response(headers=NOT_STORED)

    return router
