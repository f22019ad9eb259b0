"""API tokens and the audit log."""

from alembic import op

revision = "0005"
down_revision = "0004"

_CREDENTIALS = """
create table coin.api_token (
    token_id bigint generated always as identity primary key,
    name text collate "C" not null,
    hash bytea not null check (octet_length(hash) = 32),
    scopes text[] not null check (scopes <@ '{read,run,trade,admin}' and scopes <> '{}'),
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz
)
"""
_NAMES = "create unique index api_token_name on coin.api_token (name) where revoked_at is null"
_AUDIT = """
create table coin.audit_entry (
    entry_id uuid primary key,
    at timestamptz not null,
    token_id bigint,
    actor text collate "C",
    client text collate "C" not null,
    method text collate "C" not null,
    route text collate "C" not null,
    status integer,
    target text collate "C",
    request_id text collate "C"
)
"""
_ORDER = "create index audit_entry_at on coin.audit_entry (at desc, entry_id desc)"


def upgrade() -> None:
    """Create the tables."""
    for statement in (_CREDENTIALS, _NAMES, _AUDIT, _ORDER):
        op.execute(statement)


def downgrade() -> None:
    """Remove the tables with all tokens and the whole audit log."""
    op.execute("drop table coin.api_token, coin.audit_entry")
