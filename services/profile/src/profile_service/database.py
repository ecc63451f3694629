"""The tables of profile's own database, as its queries see them; the migrations make them."""

from sqlalchemy import JSON, Column, Integer, MetaData, String, Table

metadata = MetaData()

profiles = Table(
    "profiles",
    metadata,
    Column("sub", String(255), primary_key=True),
    Column("version", Integer, nullable=False),  # counts the writes, from 1: what a write compares and swaps
    Column("display_name", String(100)),
    Column("bio", String(2000)),
    Column("locale", String(35)),
    Column("delivery_address", JSON(none_as_null=True)),
)
