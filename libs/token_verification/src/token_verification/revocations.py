"""What a verifier asks about revocations: logins that have ended, tokens and keys that count no more."""

from typing import Protocol


class Revocations(Protocol):
    """Who knows what has been revoked. Every method answers at once, from what is at hand."""

    def key_is_revoked(self, key_id: str) -> bool:
        """Tell whether the issuer has revoked this key (`kid`)."""

    def login_has_ended(self, login_id: str) -> bool:
        """Tell whether this login (`sid`) has ended."""

    def token_is_revoked(self, token_id: str) -> bool:
        """Tell whether this one token (`jti`) has been revoked."""

    def ensure_known(self, *, changes_state: bool) -> None:
        """Raise RevocationsUnavailable if too little, or too old, is what the other answers rest on.

        `changes_state`: whether it is for a request that may change something.
        """
