"""Alerts: incidents, the outbox, and deliveries through channels."""

from alembic import op

revision = "0004"
down_revision = "0003"

_INCIDENT = """
create table coin.alert_incident (
    incident_id bigint generated always as identity primary key,
    key text collate "C" not null,
    opened_at timestamptz not null,
    last_alert_at timestamptz not null,
    last_message_at timestamptz not null,
    waiting integer not null default 0 check (waiting >= 0),
    closed_at timestamptz
)
"""
_OPEN = "create unique index alert_incident_open on coin.alert_incident (key) where closed_at is null"
_ALERT = """
create table coin.alert (
    alert_id bigint generated always as identity primary key,
    incident_id bigint not null references coin.alert_incident (incident_id) on delete cascade,
    key text collate "C" not null,
    occurrence text collate "C",
    notification json not null,
    recorded_at timestamptz not null,
    message_at timestamptz,
    dispatched_at timestamptz,
    unique (key, occurrence)
)
"""
_MESSAGES = "create index alert_incident_messages on coin.alert (incident_id, alert_id)"
_UNDISPATCHED = """
create index alert_undispatched on coin.alert (message_at) where message_at is not null and dispatched_at is null
"""
_DELIVERY = """
create table coin.alert_delivery (
    alert_id bigint not null references coin.alert (alert_id) on delete cascade,
    channel text collate "C" not null,
    state text collate "C" not null default 'pending'
        check (state in ('pending', 'sent', 'merged', 'skipped', 'given up')),
    attempts integer not null default 0,
    created_at timestamptz not null,
    due_at timestamptz not null,
    ended_at timestamptz,
    reason text not null default '',
    primary key (alert_id, channel),
    constraint alert_delivery_ended_check check ((state = 'pending') = (ended_at is null))
)
"""
_DUE = "create index alert_delivery_due on coin.alert_delivery (channel, due_at) where state = 'pending'"


def upgrade() -> None:
    """Create the tables."""
    for statement in (_INCIDENT, _OPEN, _ALERT, _MESSAGES, _UNDISPATCHED, _DELIVERY, _DUE):
        op.execute(statement)


def downgrade() -> None:
    """Remove the tables with all alerts."""
    op.execute("drop table coin.alert_delivery, coin.alert, coin.alert_incident")
