"""The verified access token, as a handler sees it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified access token says (RFC 9068, section 2.2). Immutable and hashable.

    Only a verifier should make one: that a value of this type exists means that its token passed every check.
    Claims without a field here are dropped, so that no personal data travels further by accident.
    """

    subject: str
    """`sub`: whom the token is about; opaque, unique within the issuer."""
    issuer: str
    """`iss`: who signed it."""
    audience: tuple[str, ...]
    """`aud`: the resource servers it is for, in the token's order."""
    client_id: str
    """`client_id`: the client it was issued to."""
    scope: frozenset[str]
    """`scope`: what it allows, one value per element."""
    login_id: str
    """`sid`: the login it belongs to."""
    token_id: str
    """`jti`: its own id."""
    auth_time: int
    """`auth_time`: when the subject proved who they are; seconds since the epoch, like the next two."""
    issued_at: int
    """`iat`: when it was signed."""
    expires_at: int
    """`exp`: when it ends."""
    key_id: str
    """`kid` of its header: which key signed it."""
    name: str | None = None
    """`name`: how to greet the subject, if the issuer says."""
    actor: str | None = None
    """`act.sub`: who acts for the subject (RFC 8693, section 4.1), if anyone does."""
