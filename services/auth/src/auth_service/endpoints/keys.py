"""The key set, and the metadata that names it."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from auth_service.endpoints.tokens import GRANT_TYPES
from auth_service.scopes import SCOPES
from auth_service.signing_keys import SigningKeys
from service_chassis.conditional_requests import is_unchanged

JWK_SET_MEDIA_TYPE = "application/jwk-set+json"

_KEY_SET_SCHEMA = {
    "type": "object",
    "required": ["keys"],
    "properties": {
        "keys": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kty", "n", "e", "kid", "use", "alg"],
                "additionalProperties": False,
                "properties": {
                    "kty": {"const": "RSA"},
                    "n": {"type": "string"},
                    "e": {"type": "string"},
                    "kid": {"type": "string", "description": "The thumbprint of RFC 7638."},
                    "use": {"const": "sig"},
                    "alg": {"const": "RS256"},
                },
            },
        }
    },
}
_IF_NONE_MATCH = {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}
_METADATA_SCHEMA = {"type": "object", "required": ["issuer", "token_endpoint", "jwks_uri", "response_types_supported"]}


def keys_router(
    signing_keys: SigningKeys,
    *,
    issuer: str,
    jwks_uri: str,
    token_endpoint: str,
    revocation_endpoint: str,
    max_age: int,
) -> APIRouter:
    """Return the routes of the key set and of the metadata; `max_age` is in seconds."""
    router = APIRouter(tags=["keys"])
    caching = f"public, max-age={max_age}"

    @router.get(
        "/.well-known/jwks.json",
        response_class=Response,
        openapi_extra={"parameters": [_IF_NONE_MATCH]},
        responses={
            200: {
                "description": "The JWK Set.",
                "content": {JWK_SET_MEDIA_TYPE: {"schema": _KEY_SET_SCHEMA}},
                "headers": {
                    "ETag": {"schema": {"type": "string"}},
                    "Cache-Control": {"schema": {"type": "string"}},
                },
            },
            304: {"description": "The one that `If-None-Match` names is still the right one."},
        },
    )
    async def key_set(request: Request) -> Response:
        """Return the public keys that tokens of this issuer may be signed with. [RFC 7517]"""
        document = signing_keys.key_set
        headers = {"ETag": document.etag, "Cache-Control": caching}
        if is_unchanged(request.headers, document.etag):
            return Response(status_code=304, headers=headers)
        return Response(document.body, headers=headers, media_type=JWK_SET_MEDIA_TYPE)

    # A list with nothing in it would be left out (section 3.2), but without this one a client would have to assume the
    # responses of a server with an authorization endpoint, which there is not (section 2).
    metadata = {
        "issuer": issuer,
        "token_endpoint": token_endpoint,
        "jwks_uri": jwks_uri,
        "scopes_supported": list(SCOPES),
        "response_types_supported": [],
        "grant_types_supported": list(GRANT_TYPES),
        # "none" is the first-party client's, whose refresh tokens are all that it has to show.
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "revocation_endpoint": revocation_endpoint,
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": ["RS256"],
    }

    @router.get(
        "/.well-known/oauth-authorization-server",
        response_class=JSONResponse,
        responses={200: {"content": {"application/json": {"schema": _METADATA_SCHEMA, "example": metadata}}}},
    )
    async def authorization_server_metadata() -> JSONResponse:
        """Return what this issuer is and where its keys are. [RFC 8414]"""
        return JSONResponse(metadata, headers={"Cache-Control": caching})

    return router
