"""The ledger of paper positions: an append-only journal, and the positions and totals that derive from it."""

from alembic import op

revision = "0002"
down_revision = "0001"

# NUMERIC accepts NaN and infinities and sorts NaN above every number, so that each check has an upper bound.
_JOURNAL = """
create table coin.journal (
    entry_id bigint generated always as identity primary key,
    book text collate "C" not null check (char_length(book) between 1 and 100),
    position_id uuid not null,
    symbol text collate "C" not null,
    sequence integer not null check (sequence >= 1),
    kind text collate "C" not null check (kind in ('ENTER', 'EXIT')),
    side text collate "C" not null check (side in ('BUY', 'SELL')),
    quantity numeric not null check (quantity between 1e-18 and 1e18 and min_scale(quantity) <= 18),
    price numeric not null check (price between 1e-18 and 1e18 and min_scale(price) <= 18),
    fee_rate numeric not null check (fee_rate between 0 and 0.1 and min_scale(fee_rate) <= 10),
    slippage_rate numeric not null check (slippage_rate between 0 and 0.1 and min_scale(slippage_rate) <= 10),
    cash numeric not null,
    holding numeric not null,
    holding_fee numeric not null,
    holding_slippage numeric not null,
    fee numeric not null,
    slippage numeric not null,
    income numeric not null,
    at timestamptz not null,
    booked_at timestamptz not null,
    key text collate "C" not null check (char_length(key) between 1 and 255),
    order_sha256 bytea not null,
    note text collate "C" check (char_length(note) <= 1000),
    unique (book, key),
    unique (position_id, sequence),
    constraint journal_balance_check
        check (cash + holding + holding_fee + holding_slippage + fee + slippage + income = 0),
    constraint journal_postings_check check (
        greatest(
            abs(cash), abs(holding), abs(holding_fee), abs(holding_slippage), abs(fee), abs(slippage), abs(income)
        ) <= 1e37
    )
)
"""
_APPEND_ONLY = """
create function coin.keep_journal() returns trigger language plpgsql as $$
begin
    raise exception 'coin.journal is append-only: % is not allowed', lower(tg_op) using errcode = 'restrict_violation';
end $$
"""
_APPEND_ONLY_TRIGGER = """
create trigger append_only before update or delete or truncate on coin.journal
    for each statement execute function coin.keep_journal()
"""
_POSITION = """
create table coin.position (
    position_id uuid primary key,
    book text collate "C" not null,
    symbol text collate "C" not null,
    side text collate "C" not null check (side in ('BUY', 'SELL')),
    quantity numeric not null check (quantity between 0 and 1e18),
    value numeric not null,
    fee numeric not null,
    slippage numeric not null,
    realized_gross numeric not null,
    realized_fee numeric not null,
    realized_slippage numeric not null,
    entries integer not null,
    opened_at timestamptz not null,
    closed_at timestamptz,
    constraint position_balances_check check (least(value, fee, slippage) >= 0),
    constraint position_amounts_check check (
        greatest(
            abs(value), abs(fee), abs(slippage), abs(realized_gross), abs(realized_fee), abs(realized_slippage)
        ) <= 1e49
    ),
    constraint position_closed_check check ((quantity = 0) = (closed_at is not null)),
    constraint position_remainder_check check (quantity > 0 or (value = 0 and fee = 0 and slippage = 0))
)
"""
_POSITION_INDEXES = """
create unique index position_open_idx on coin.position (book, symbol) where closed_at is null;
create index position_opened_idx on coin.position (book, opened_at, position_id);
create index position_closed_idx on coin.position (book, closed_at, position_id) where closed_at is not null
"""
_TOTAL = """
create table coin.position_total (
    book text collate "C",
    symbol text collate "C",
    entries bigint not null,
    opened bigint not null,
    closed bigint not null,
    won bigint not null,
    realized_gross numeric not null,
    realized_fee numeric not null,
    realized_slippage numeric not null,
    primary key (book, symbol),
    constraint position_total_amounts_check
        check (greatest(abs(realized_gross), abs(realized_fee), abs(realized_slippage)) <= 1e49),
    constraint position_total_counts_check check (won between 0 and closed)
)
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in (_JOURNAL, _APPEND_ONLY, _APPEND_ONLY_TRIGGER, _POSITION, _POSITION_INDEXES, _TOTAL):
        op.execute(statement)


def downgrade() -> None:
    """Remove the tables with all positions."""
    op.execute("drop table coin.position_total, coin.position, coin.journal")
    op.execute("drop function coin.keep_journal")
