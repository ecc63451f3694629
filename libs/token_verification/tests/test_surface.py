"""What others may rely on."""

import subprocess
import sys

import token_verification


def test_public_names_are_pinned() -> None:
    """The surface is a promise: adding to it or taking from it is a decision, made here."""
    assert sorted(token_verification.__all__) == [
        "AccessToken",
        "AccessTokenVerifier",
        "InvalidToken",
        "KeysUnavailable",
        "RemoteKeySet",
        "RevocationFeed",
        "RevocationsUnavailable",
        "StaticKeySet",
        "VerificationError",
    ]
    assert all(hasattr(token_verification, name) for name in token_verification.__all__)


def test_the_core_needs_no_web_framework() -> None:
    """Who imports the library gets neither FastAPI nor a fake with it."""
    script = (
        "import sys, token_verification; "
        "print(sorted({'fastapi', 'starlette', 'pydantic', 'jwt', 'token_verification.testing'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert loaded.stdout.strip() == "[]"
