"""The public half of orders' client key: for the issuer alone, and not at the door."""

from fastapi import APIRouter, Request, Response

from orders_service.client_key import OwnClientKey
from service_chassis.conditional_requests import is_unchanged

JWK_SET_MEDIA_TYPE = "application/jwk-set+json"


def client_key_router(own: OwnClientKey, *, max_age: int) -> APIRouter:
    """Return the route of the key set; `max_age` is in seconds."""
    router = APIRouter()
    text = {"schema": {"type": "string"}}

    @router.get(
        "/.well-known/jwks.json",
        response_class=Response,
        openapi_extra={"parameters": [text | {"name": "If-None-Match", "in": "header"}]},
        responses={
            200: {
                "content": {JWK_SET_MEDIA_TYPE: {"schema": {"type": "object", "required": ["keys"]}}},
                "headers": {"ETag": text, "Cache-Control": text},
            },
            304: {"description": "The one that `If-None-Match` names is still the right one."},
        },
    )
    async def client_key_set(request: Request) -> Response:
        """Return the public key that orders' client assertions are signed with. [RFC 7517]"""
        headers = {"ETag": own.etag, "Cache-Control": f"public, max-age={max_age}"}
        if is_unchanged(request.headers, own.etag):
            return Response(status_code=304, headers=headers)
        return Response(own.key_set, headers=headers, media_type=JWK_SET_MEDIA_TYPE)

    return router
