"""Forward tests: what they run, the account of each symbol, and their decisions."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TEST = """
create table coin.forward_test (
    test_id uuid primary key,
    spec json not null,
    begin bigint not null,
    started_at timestamptz not null,
    stopped_at timestamptz
)
"""
_SYMBOL = """
create table coin.forward_symbol (
    test_id uuid not null references coin.forward_test (test_id),
    symbol text collate "C" not null,
    account json not null,
    last_bar bigint,
    warm_up json,
    checked_code text,
    failure text,
    failed_at timestamptz,
    primary key (test_id, symbol),
    constraint forward_symbol_failure_check check ((failure is null) = (failed_at is null))
)
"""
_DECISION = """
create table coin.forward_decision (
    test_id uuid not null,
    symbol text collate "C" not null,
    bar_time bigint not null,
    open double precision not null,
    high double precision not null,
    low double precision not null,
    close double precision not null,
    volume double precision not null,
    entry boolean not null,
    exit boolean not null,
    hold integer,
    decided_at timestamptz not null,
    late boolean not null,
    missing bigint not null,
    code_sha256 text not null,
    params_sha256 text not null,
    history_start bigint not null,
    history_sha256 text not null,
    primary key (test_id, symbol, bar_time),
    constraint forward_decision_test_id_symbol_fkey
        foreign key (test_id, symbol) references coin.forward_symbol (test_id, symbol),
    constraint forward_decision_missing_check check (missing >= 0),
    constraint forward_decision_hold_check check (hold >= 1)
)
"""
# A decision is evidence: it may be added, but neither changed nor removed.
_REFUSE = """
create function coin.keep_decisions() returns trigger language plpgsql as $$
begin
    raise exception 'decisions of forward tests are append-only' using errcode = 'restrict_violation';
end $$
"""
_TRIGGER = """
create trigger keep_decisions before update or delete or truncate on coin.forward_decision
    for each statement execute function coin.keep_decisions()
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in (_TEST, _SYMBOL, _DECISION, _REFUSE, _TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    """Remove the tables with all forward tests."""
    op.execute("drop table coin.forward_decision, coin.forward_symbol, coin.forward_test")
    op.execute("drop function coin.keep_decisions")
