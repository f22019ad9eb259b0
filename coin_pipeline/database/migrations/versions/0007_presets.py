"""Presets of strategy parameters."""

from alembic import op

revision = "0007"
down_revision = "0006"

_PRESET = """
create table coin.preset (
    name text collate "C" primary key,
    strategy text not null,
    params json not null,
    description text not null,
    updated_at timestamptz not null
)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_PRESET)


def downgrade() -> None:
    """Remove the table with every preset that users saved."""
    op.execute("drop table coin.preset")
