"""Tables of forward tests. Decisions are only ever added: a trigger refuses every other change."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSON

from coin_pipeline.database.metadata import METADATA

TEST = Table(
    "forward_test",
    METADATA,
    Column("test_id", Uuid, primary_key=True),
    Column("spec", JSON, nullable=False),
    Column("begin", BigInteger, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("stopped_at", DateTime(timezone=True)),
)

SYMBOL = Table(
    "forward_symbol",
    METADATA,
    Column("test_id", Uuid, ForeignKey(TEST.c.test_id), primary_key=True),
    Column("symbol", Text(collation="C"), primary_key=True),
    Column("account", JSON, nullable=False),
    Column("last_bar", BigInteger),
    Column("warm_up", JSON(none_as_null=True)),
    Column("checked_code", Text),
    Column("failure", Text),
    Column("failed_at", DateTime(timezone=True)),
    CheckConstraint("(failure is null) = (failed_at is null)", "failure"),
)
"""The account after the last decision; it derives from the decisions, and is kept so that none is read again."""

DECISION = Table(
    "forward_decision",
    METADATA,
    Column("test_id", Uuid, primary_key=True),
    Column("symbol", Text(collation="C"), primary_key=True),
    Column("bar_time", BigInteger, primary_key=True),
    *(Column(name, Double, nullable=False) for name in ("open", "high", "low", "close", "volume")),
    Column("entry", Boolean, nullable=False),
    Column("exit", Boolean, nullable=False),
    Column("hold", Integer),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("late", Boolean, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("code_sha256", Text, nullable=False),
    Column("params_sha256", Text, nullable=False),
    Column("history_start", BigInteger, nullable=False),
    Column("history_sha256", Text, nullable=False),
    ForeignKeyConstraint(["test_id", "symbol"], [SYMBOL.c.test_id, SYMBOL.c.symbol]),
    CheckConstraint("missing >= 0", "missing"),
    CheckConstraint("hold >= 1", "hold"),
)
"""One row per decided candle: no candle is decided twice."""
