"""The index of Dagster's queue."""

from alembic import op

revision = "0006"
down_revision = "0005"

_QUEUED_RUN = """
create table coin.queued_run (
    run_id text primary key references runs (run_id) on delete cascade,
    place bigint not null,
    priority bigint not null,
    client text not null,
    class text not null,
    bulk boolean not null,
    turn bigint,
    tags jsonb not null
)
"""
_ORDER = "create index queued_run_order on coin.queued_run (priority desc, place)"
_TURNS = "create index queued_run_bulk_turn_idx on coin.queued_run (bulk, turn)"
_CLIENTS = "create index queued_run_client_class_turn_idx on coin.queued_run (client, class, turn)"
# An entry changes in the transaction that changes its run, whichever process does so. Tags are those in the run's body,
# which Dagster reads too; a priority that is not a number is 0 there as well.
_KEEP_QUEUE = """
create function coin.keep_queue() returns trigger language plpgsql as $$
declare
    tags jsonb;
begin
    delete from coin.queued_run where run_id = new.run_id;
    if new.status = 'QUEUED' then
        tags := coalesce((new.run_body::json -> 'tags')::jsonb, '{}');
        insert into coin.queued_run values (
            new.run_id,
            new.id,
            coalesce(substring(tags ->> 'dagster/priority' from '^[+-]?[0-9]{1,18}$')::bigint, 0),
            coalesce(tags ->> 'coin/client', ''),
            coalesce(tags ->> 'coin/class', ''),
            coalesce(tags ->> 'coin/class', '') = 'bulk',
            substring(tags ->> 'coin/turn' from '^[+-]?[0-9]{1,18}$')::bigint,
            tags
        );
    end if;
    return null;
end $$
"""
_ON_UPDATE = """
create trigger keep_queue after update on runs
    for each row when (old.status = 'QUEUED' or new.status = 'QUEUED') execute function coin.keep_queue()
"""
_ON_INSERT = """
create trigger keep_queue_of_new after insert on runs
    for each row when (new.status = 'QUEUED') execute function coin.keep_queue()
"""
_FILL = "update runs set status = status where status = 'QUEUED'"


def upgrade() -> None:
    """Create the index, and enter the runs that are queued."""
    for statement in (_QUEUED_RUN, _ORDER, _TURNS, _CLIENTS, _KEEP_QUEUE, _ON_UPDATE, _ON_INSERT, _FILL):
        op.execute(statement)


def downgrade() -> None:
    """Remove the index; queued runs stay queued."""
    op.execute("drop trigger keep_queue on runs")
    op.execute("drop trigger keep_queue_of_new on runs")
    op.execute("drop function coin.keep_queue")
    op.execute("drop table coin.queued_run")
