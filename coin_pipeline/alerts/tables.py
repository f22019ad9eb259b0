"""Tables of alerts: incidents, the outbox of alerts and recoveries, and the delivery of each through each channel."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from coin_pipeline.database.metadata import METADATA

INCIDENT = Table(
    "alert_incident",
    METADATA,
    Column("incident_id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Text(collation="C"), nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("last_alert_at", DateTime(timezone=True), nullable=False),
    Column("last_message_at", DateTime(timezone=True), nullable=False),
    Column("waiting", Integer, nullable=False, server_default=text("0")),
    Column("closed_at", DateTime(timezone=True)),
    CheckConstraint("waiting >= 0", "waiting"),
)
"""What is or was wrong; `waiting` counts the alerts since its latest message."""
Index("alert_incident_open", INCIDENT.c.key, unique=True, postgresql_where=INCIDENT.c.closed_at.is_(None))

ALERT = Table(
    "alert",
    METADATA,
    Column("alert_id", BigInteger, Identity(always=True), primary_key=True),
    Column("incident_id", BigInteger, ForeignKey(INCIDENT.c.incident_id, ondelete="CASCADE"), nullable=False),
    Column("key", Text(collation="C"), nullable=False),
    Column("occurrence", Text(collation="C")),
    Column("notification", JSON, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("message_at", DateTime(timezone=True)),
    Column("dispatched_at", DateTime(timezone=True)),
    UniqueConstraint("key", "occurrence"),
)
"""The outbox. A row without an occurrence is the recovery of its incident.

A row becomes a message at `message_at`; one without is only counted in the next message of its incident. A message is
dispatched when it has a delivery for each channel.
"""
Index("alert_incident_messages", ALERT.c.incident_id, ALERT.c.alert_id)
Index(
    "alert_undispatched",
    ALERT.c.message_at,
    postgresql_where=text("message_at is not null and dispatched_at is null"),
)

DELIVERY = Table(
    "alert_delivery",
    METADATA,
    Column("alert_id", BigInteger, ForeignKey(ALERT.c.alert_id, ondelete="CASCADE"), primary_key=True),
    Column("channel", Text(collation="C"), primary_key=True),
    Column("state", Text(collation="C"), nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("reason", Text, nullable=False, server_default=text("''")),
    CheckConstraint("state in ('pending', 'sent', 'merged', 'skipped', 'given up')", "state"),
    CheckConstraint("(state = 'pending') = (ended_at is null)", "ended"),
)
"""One row per message and channel; `due_at` of one that is being sent is when its sender counts as dead."""
Index("alert_delivery_due", DELIVERY.c.channel, DELIVERY.c.due_at, postgresql_where=text("state = 'pending'"))
