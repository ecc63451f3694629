"""The tables of the authorization server's database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("sub", String(32), primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    # Whoever has verified a password finds here whether it still was the account's when their login began. Not by the
    # hash: that is also replaced by a newer one of the same password.
    Column("password_changes", Integer, nullable=False, server_default="0"),
)

logins = Table(
    "logins",
    metadata,
    Column("sid", String(32), primary_key=True),
    Column("sub", String(32), ForeignKey("accounts.sub"), nullable=False, index=True),
    Column("device", String(200), nullable=False),
    Column("address", String(50), nullable=False),
    # What was granted, space separated: tokens that are got by refreshing have no more.
    Column("audience", Text, nullable=False),
    Column("scope", Text, nullable=False),
    # Whole seconds, being the tokens' auth_time. The others are not: lives can be set to fractions of one.
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False, index=True),
    # Whoever ends or uses a login holds its row, so that an end is never undone.
    Column("ended_at", Double),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    # SHA-256 of the token and of its successor; neither lies here itself.
    Column("hash", LargeBinary(32), primary_key=True),
    Column("sid", String(32), ForeignKey("logins.sid", ondelete="CASCADE"), nullable=False, index=True),
    Column("used_at", Double),
    Column("successor", LargeBinary(32)),
    CheckConstraint("(used_at IS NULL) = (successor IS NULL)", name="used_up_by_a_successor"),
)

refresh_key = Table(
    "refresh_key",
    metadata,
    # There is one place, so that replicas cannot each have a key of their own.
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("sealed_key", LargeBinary, nullable=False),
    CheckConstraint("place = 1", name="refresh_key_place"),
)

attempts = Table(
    "attempts",
    metadata,
    # A digest of whom or what is counted: neither addresses nor e-mails of people without an account lie here.
    Column("counted", LargeBinary(32), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("since", BigInteger, nullable=False, index=True),
)

used_assertions = Table(
    "used_assertions",
    metadata,
    # A digest of who proved themselves and by what: its length is ours to know, and not the client's to choose.
    Column("assertion", LargeBinary(32), primary_key=True),
    Column("until", BigInteger, nullable=False, index=True),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(43), primary_key=True),
    Column("state", String(11), nullable=False),
    Column("state_since", BigInteger, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("sealed_private_key", LargeBinary),
    Column("held_until", BigInteger),
    CheckConstraint("state IN ('pending', 'active', 'retiring', 'removed', 'compromised')", name="known_state"),
    # Two processes that both think they should promote a key, or make one, cannot both be right.
    Index(
        "one_active_key",
        "state",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
    Index(
        "one_pending_key",
        "state",
        unique=True,
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
)

revocations = Table(
    "revocations",
    metadata,
    # Not counted up by the database: on PostgreSQL such a number would follow the order of insertion, not of commit.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(3), nullable=False),
    Column("id", String(255), nullable=False),
    Column("until", BigInteger, index=True),
    CheckConstraint("kind IN ('sid', 'jti', 'kid')", name="known_kind"),
    Index("ix_revocations_kind_id", "kind", "id"),
)

revocation_head = Table(
    "revocation_head",
    metadata,
    # There is one place: whoever appends to the log holds it until the end of their transaction.
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    CheckConstraint("place = 1", name="revocation_head_place"),
)
