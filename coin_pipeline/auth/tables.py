"""Tables of API tokens and of the audit log."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from coin_pipeline.database.metadata import METADATA

TOKEN = Table(
    "api_token",
    METADATA,
    Column("token_id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text(collation="C"), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("octet_length(hash) = 32", "hash"),
    CheckConstraint("scopes <@ '{read,run,trade,admin}' and scopes <> '{}'", "scopes"),
)
"""Tokens by the SHA-256 hashes of their secrets; revoked ones stay, since the audit log names them."""
Index("api_token_name", TOKEN.c.name, unique=True, postgresql_where=TOKEN.c.revoked_at.is_(None))

AUDIT_ENTRY = Table(
    "audit_entry",
    METADATA,
    Column("entry_id", UUID, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("token_id", BigInteger),
    Column("actor", Text(collation="C")),
    Column("client", Text(collation="C"), nullable=False),
    Column("method", Text(collation="C"), nullable=False),
    Column("route", Text(collation="C"), nullable=False),
    Column("status", Integer),
    Column("target", Text(collation="C")),
    Column("request_id", Text(collation="C")),
)
"""Who did what, when, and with which outcome; `actor` is the name of the token, or of the user of a command."""
Index("audit_entry_at", AUDIT_ENTRY.c.at.desc(), AUDIT_ENTRY.c.entry_id.desc())
