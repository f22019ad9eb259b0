"""Parameters, Sharpe ratio and number of trades of results."""

from alembic import op

revision = "0008"
down_revision = "0007"

_COLUMNS = "alter table coin.result add params text, add sharpe double precision, add trades bigint"
# Without a digest an entry counts as changed, so the next reindexing, at the start of the daemon, reads its document.
_READ_AGAIN = "update coin.result set digest = null"
_DROP_ORDER = "drop index coin.result_order"
_ORDER = """
create index result_order on coin.result ("timestamp" desc, run_id desc)
    include (kind, strategy, timeframe, avg_return, total_return, sharpe, total_signals)
"""
_BY_RETURN = """
create index result_total_return on coin.result (total_return desc nulls last, "timestamp" desc, run_id desc)
"""
_BY_SHARPE = 'create index result_sharpe on coin.result (sharpe desc nulls last, "timestamp" desc, run_id desc)'
_ORDER_BEFORE = """
create index result_order on coin.result ("timestamp" desc, run_id desc)
    include (kind, strategy, avg_return, total_signals)
"""
_DROP_BY_RETURN = "drop index coin.result_total_return"
_DROP_COLUMNS = "alter table coin.result drop params, drop sharpe, drop trades"  # with the index of sharpe


def upgrade() -> None:
    """Add the columns, which are empty until the documents are read again, and index the figures that lists filter."""
    for statement in (_COLUMNS, _READ_AGAIN, _DROP_ORDER, _ORDER, _BY_RETURN, _BY_SHARPE):
        op.execute(statement)


def downgrade() -> None:
    """Remove the columns and the indexes of figures."""
    for statement in (_DROP_ORDER, _DROP_BY_RETURN, _DROP_COLUMNS, _READ_AGAIN, _ORDER_BEFORE):
        op.execute(statement)
