"""The platform's tables next to Dagster's; also adopts those of installations that predate the migrations."""

from alembic import op

revision = "0001"
down_revision = None

_SWITCH = """
create table if not exists coin.switch (
    name text primary key,
    since timestamptz not null default clock_timestamp()
)
"""
_HEALTH = "create table if not exists coin.health (checked_at timestamptz not null)"
_LEASE = """
create table if not exists coin.lease (
    run_id text primary key references runs (run_id) on delete cascade,
    host text not null,
    pid integer not null,
    started bigint not null,
    taken timestamptz not null default clock_timestamp(),
    until timestamptz not null,
    progress double precision not null default 0,
    published boolean not null default false
)
"""
_IDLE_SINCE = (
    "alter table coin.lease add column if not exists idle_since timestamptz not null default clock_timestamp()"
)
# Dagster overwrites the status of a run without checking the current one. The trigger protects final states from any
# late writer, such as an abandoned attempt or a daemon that read the run earlier.
_KEEP_ENDED = """
create or replace function coin.keep_ended() returns trigger language plpgsql as $$
begin
    if old.status in ('SUCCESS', 'FAILURE', 'CANCELED')
        or (old.status = 'CANCELING' and new.status in ('QUEUED', 'STARTING', 'STARTED'))
        or (new.status = 'CANCELING' and exists (select from coin.lease where run_id = old.run_id and published))
    then
        new.status := old.status;
        new.run_body := old.run_body;
        new.start_time := old.start_time;
        new.end_time := old.end_time;
    elsif old.status = 'CANCELING' then
        new.status := 'CANCELED';
    end if;
    return new;
end $$
"""
_TRIGGER = """
do $$ begin
    if not exists (select from pg_trigger where tgname = 'keep_ended' and tgrelid = 'runs'::regclass) then
        create trigger keep_ended before update on runs
            for each row when (old.status <> new.status) execute function coin.keep_ended();
    end if;
end $$
"""
# The "C" collation sorts by bytes, so that a cursor means the same on every server.
_RESULT = """
create table if not exists coin.result (
    run_id text collate "C" primary key,
    shelf text not null,
    kind text not null,
    strategy text,
    symbols text[] not null,
    start_date date,
    end_date date,
    timeframe text,
    total_signals bigint,
    avg_return double precision,
    total_return double precision,
    execution_time double precision,
    "timestamp" timestamptz not null,
    version text not null,
    size bigint not null,
    modified timestamptz not null
)
"""
# The first version of the index covered fewer columns.
_RESULT_ORDER = """
do $$ begin
    if not exists (
        select from pg_indexes
        where schemaname = 'coin' and indexname = 'result_order' and indexdef like '%total_signals%'
    ) then
        drop index if exists coin.result_order;
        create index result_order on coin.result ("timestamp" desc, run_id desc)
            include (kind, strategy, avg_return, total_signals);
    end if;
end $$
"""
_RESULT_SYMBOLS = "create index if not exists result_symbols on coin.result using gin (symbols)"
# Digest of the other columns as the platform wrote them. The text of a time depends on settings of the session.
_DIGEST = """
do $$ begin
    if not exists (
        select from pg_attribute where attrelid = 'coin.result'::regclass and attname = 'digest' and not attisdropped
    ) then
        alter table coin.result add column digest bytea;
        update coin.result set digest = sha256(convert_to(row(
            run_id, shelf, kind, strategy, symbols, start_date - date '2000-01-01', end_date - date '2000-01-01',
            timeframe, total_signals, avg_return, total_return, execution_time, extract(epoch from "timestamp"),
            version, size, extract(epoch from modified)
        )::text, 'UTF8'));
    end if;
end $$
"""
# Without a foreign key: an entry that precedes that of its document is valid.
_REUSE = """
create table if not exists coin.reuse (
    run_id text collate "C" not null,
    answered timestamptz not null,
    primary key (run_id, answered)
)
"""
_REUSE_ORDER = "create index if not exists reuse_order on coin.reuse (answered desc, run_id desc)"


def upgrade() -> None:
    """Create what is missing."""
    for statement in (
        _SWITCH,
        _HEALTH,
        _LEASE,
        _IDLE_SINCE,
        _KEEP_ENDED,
        _TRIGGER,
        _RESULT,
        _DIGEST,
        _RESULT_ORDER,
        _RESULT_SYMBOLS,
        _REUSE,
        _REUSE_ORDER,
    ):
        op.execute(statement)


def downgrade() -> None:
    """Remove the tables; Dagster's stay."""
    op.execute("drop trigger keep_ended on runs")
    op.execute("drop function coin.keep_ended")
    op.execute("drop table coin.switch, coin.health, coin.lease, coin.result, coin.reuse")
