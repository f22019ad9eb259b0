"""Options of results: fills, costs, stops and account that differ from the defaults."""

from alembic import op

revision = "0009"
down_revision = "0008"

_COLUMN = "alter table coin.result add options text"
# As in 0008, the next reindexing reads every document again.
_READ_AGAIN = "update coin.result set digest = null"
_DROP_COLUMN = "alter table coin.result drop options"


def upgrade() -> None:
    """Add the column, which is empty until the documents are read again."""
    for statement in (_COLUMN, _READ_AGAIN):
        op.execute(statement)


def downgrade() -> None:
    """Remove the column."""
    for statement in (_DROP_COLUMN, _READ_AGAIN):
        op.execute(statement)
