"""The usual Python demo's service: FastAPI, and PyJWT at every request. `python usual_service.py PORT KEY ISS AUD`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

PORT, KEY_FILE, ISSUER, AUDIENCE = sys.argv[1:]
PUBLIC_KEY = Path(KEY_FILE).read_text("utf-8")

app = FastAPI()


async def current_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> dict[str, Any]:
    """Return what the token says."""
    try:
        return jwt.decode(credentials.credentials, PUBLIC_KEY, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, str(error)) from error


@app.get("/api/profile")
async def read_profile(user: Annotated[dict[str, Any], Depends(current_user)]) -> dict[str, Any]:
    """Return the caller's profile from the claims."""
    nothing: dict[str, Any] = dict.fromkeys(["display_name", "bio", "locale", "delivery_address"])
    return {**nothing, "sub": user["sub"], "name": user["name"]}


if __name__ == "__main__":
    uvicorn.run(app, port=int(PORT), access_log=False, log_level="warning")
