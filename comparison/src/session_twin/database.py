"""The twin's own tables, beside which lie those of profile and of orders; the migration makes them all."""

from sqlalchemy import Column, Float, MetaData, String, Table

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("sub", String(32), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("password_hash", String(255), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("key", String(64), primary_key=True),  # SHA-256 of the id: who reads the table cannot be anyone
    Column("subject", String(32), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("device", String(200), nullable=False),
    Column("began", Float, nullable=False),  # seconds since the epoch, like the next two
    Column("used", Float, nullable=False),
    Column("ends", Float, nullable=False, index=True),  # unless it is used again
)
