"""Tables that are read and written with SQL; declared here so that a test compares them with the migrations."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

from coin_pipeline.database.metadata import METADATA

_RUNS = Table("runs", MetaData(), Column("run_id", String(255), unique=True))
"""What is used of Dagster's table."""


def _time(name: str, *, default_now: bool = False, nullable: bool = False) -> Column[datetime]:
    now = func.clock_timestamp() if default_now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=now)


SWITCH = Table("switch", METADATA, Column("name", Text, primary_key=True), _time("since", default_now=True))
"""Features that are off."""

HEALTH = Table("health", METADATA, _time("checked_at"))
"""What the health check writes to prove that the database stores data."""

LEASE = Table(
    "lease",
    METADATA,
    Column("run_id", Text, ForeignKey(_RUNS.c.run_id, ondelete="CASCADE"), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),
    _time("taken", default_now=True),
    _time("until"),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("published", Boolean, nullable=False, server_default=text("false")),
    _time("idle_since", default_now=True),
)
"""The process of each run."""

QUEUED_RUN = Table(
    "queued_run",
    METADATA,
    Column("run_id", Text, ForeignKey(_RUNS.c.run_id, ondelete="CASCADE"), primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("class", Text, nullable=False),
    Column("bulk", Boolean, nullable=False),
    Column("turn", BigInteger),
    Column("tags", JSONB, nullable=False),
)
"""The index of Dagster's queue: one row per queued run, kept by a trigger on Dagster's table of runs.

Dagster's queue is a status of its runs, so each question about it reads all queued runs.
"""
Index("queued_run_order", QUEUED_RUN.c.priority.desc(), QUEUED_RUN.c.place)
Index(None, QUEUED_RUN.c.bulk, QUEUED_RUN.c.turn)
Index(None, QUEUED_RUN.c.client, QUEUED_RUN.c["class"], QUEUED_RUN.c.turn)

RESULT = Table(
    "result",
    METADATA,
    Column("run_id", Text(collation="C"), primary_key=True),
    Column("shelf", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("strategy", Text),
    Column("symbols", ARRAY(Text), nullable=False),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("timeframe", Text),
    Column("total_signals", BigInteger),
    Column("avg_return", Double),
    Column("total_return", Double),
    Column("execution_time", Double),
    _time("timestamp"),
    Column("version", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    _time("modified"),
    Column("params", Text),
    Column("sharpe", Double),
    Column("trades", BigInteger),
    Column("options", Text),
    Column("digest", LargeBinary),
    Index("result_symbols", "symbols", postgresql_using="gin"),
)
"""The index of results: one row per stored document."""
Index(
    "result_order",
    RESULT.c.timestamp.desc(),
    RESULT.c.run_id.desc(),
    postgresql_include=["kind", "strategy", "timeframe", "avg_return", "total_return", "sharpe", "total_signals"],
)
for figure in ("total_return", "sharpe"):
    Index(f"result_{figure}", RESULT.c[figure].desc().nulls_last(), RESULT.c.timestamp.desc(), RESULT.c.run_id.desc())

REUSE = Table(
    "reuse",
    METADATA,
    Column("run_id", Text(collation="C"), primary_key=True),
    Column("answered", DateTime(timezone=True), primary_key=True),
)
"""Submissions that were answered with a stored result."""
Index("reuse_order", REUSE.c.answered.desc(), REUSE.c.run_id.desc())

PRESET = Table(
    "preset",
    METADATA,
    Column("name", Text(collation="C"), primary_key=True),
    Column("strategy", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("description", Text, nullable=False),
    _time("updated_at"),
)
"""Presets that users saved; the built-in ones are in the code."""
