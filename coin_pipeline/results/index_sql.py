# ruff: noqa: S608 -- statements are built from the constants in this module
"""SQL of the index of results."""

from typing import get_args

from coin_pipeline.results.index_entry import IndexEntry, Order, OrderColumn

_TYPES = {
    "run_id": "text",
    "shelf": "text",
    "kind": "text",
    "strategy": "text",
    "symbols": "text[]",
    "start_date": "date",
    "end_date": "date",
    "timeframe": "text",
    "total_signals": "bigint",
    "avg_return": "double precision",
    "total_return": "double precision",
    "execution_time": "double precision",
    "timestamp": "timestamptz",
    "version": "text",
    "size": "bigint",
    "modified": "timestamptz",
    "params": "text",
    "sharpe": "double precision",
    "trades": "bigint",
    "options": "text",
}
# The text of a time depends on settings of the session.
_KEYS = {name: name for name in get_args(OrderColumn)} | {"symbol": "symbols"}
_AS_TEXT = {"timestamptz": "extract(epoch from {})", "date": "{} - date '2000-01-01'"}
_VALUES = ", ".join(_AS_TEXT.get(type_, "{}").format(f'"{name}"') for name, type_ in _TYPES.items())
_DIGEST = f"sha256(convert_to(row({_VALUES})::text, 'UTF8'))"
ALTERED = f"select run_id from coin.result where digest is distinct from {_DIGEST}"
STORED = [name for name in IndexEntry._fields if name != "reused"]
_COLUMNS = ", ".join(f'"{name}"' for name in STORED)
ADD = f"""
insert into coin.result ({_COLUMNS}, digest) select {_COLUMNS}, {_DIGEST} from (values %s) added ({_COLUMNS})
on conflict (run_id) do update
set ({_COLUMNS}, digest) = row({", ".join(f'excluded."{name}"' for name in STORED)}, excluded.digest)
"""
ROW = f"({', '.join(f'%s::{_TYPES[name]}' for name in STORED)})"
"""A row of `ADD`."""
# Reuses of a document go with it, also if a reindex has removed its entry first.
REMOVE = """
with gone as (delete from coin.result where shelf = %(shelf)s and run_id = any(%(run_ids)s))
delete from coin.reuse where run_id = any(%(run_ids)s)
    and not exists (select from coin.result where run_id = reuse.run_id and shelf <> %(shelf)s)
"""
# Parameters are interpolated by the client, so that the planner drops the condition of a filter that is null.
_MATCHING = """
    (%(kind)s is null or kind = %(kind)s)
    and (%(strategy)s is null or strategy = %(strategy)s)
    and (%(symbol)s is null or symbols @> array[%(symbol)s])
    and (%(min_return)s is null or avg_return >= %(min_return)s)
    and (%(max_return)s is null or avg_return <= %(max_return)s)
    and (%(timeframe)s is null or timeframe = %(timeframe)s)
    and (%(params)s is null or strpos(lower(params), lower(%(params)s)) > 0)
    and (%(min_total_return)s is null or total_return >= %(min_total_return)s)
    and (%(max_total_return)s is null or total_return <= %(max_total_return)s)
    and (%(min_sharpe)s is null or sharpe >= %(min_sharpe)s)
    and (%(max_sharpe)s is null or sharpe <= %(max_sharpe)s)
    and (%(min_signals)s is null or total_signals >= %(min_signals)s)
    and (%(max_signals)s is null or total_signals <= %(max_signals)s)
    and (%(date_from)s is null or {listed} >= %(date_from)s::timestamp at time zone 'Asia/Seoul')
    and (%(date_to)s is null
        or {listed} < (%(date_to)s::timestamp + interval '1 day') at time zone 'Asia/Seoul')
"""
# A failed task has no document, so its id is only that of its run; a retry belongs to the task of its first attempt.
IDS_STARTING = """
select run_id from coin.result where run_id ^@ %(start)s
union select run_id from runs where run_id ^@ %(start)s and pipeline_name in ('backtest', 'sweep')
    and not exists (select from run_tags tag where tag.run_id = runs.run_id and key = 'dagster/retry_number')
order by 1 limit %(limit)s
"""
_AFTER = "(%(after_time)s is null or ({listed}, run_id) < (%(after_time)s, %(after_run)s))"
_OF_DOCUMENT = _MATCHING.format(listed='"timestamp"')
# Reuses are few: `offset 0` makes the planner look up the result of each, instead of reading all results.
_REUSES = f"""coin.reuse cross join lateral (
    select from coin.result where run_id = reuse.run_id and {_MATCHING.format(listed="answered")} offset 0
) matching"""
COUNT = f"select (select count(*) from coin.result where {_OF_DOCUMENT}) + (select count(*) from {_REUSES})"
_ORDER = "order by listed desc, run_id desc"
_PAGE = """
select {columns}, listed, reused from coin.result join (
    (select * from ({documents}) documents {order} limit %(end)s) union all ({reuses} {order} limit %(end)s)
    {order} limit %(limit)s offset %(offset)s
) page using (run_id) {order}
"""
_DOCUMENT_KEYS = f"""
select run_id, "timestamp" listed, false reused from coin.result
where {_OF_DOCUMENT} and {_AFTER.format(listed='"timestamp"')}
"""
_REUSE_KEYS = f"""
select run_id, answered listed, true reused from {_REUSES} where {_AFTER.format(listed="answered")}
"""
# With many matches the first page is found quickly in index order. With few matches that scan might read the whole
# index, so they are selected by their filters and then sorted: `offset 0` keeps the planner from flattening the query.
_OF_MANY, _OF_FEW = (
    _PAGE.format(columns=_COLUMNS, documents=documents, reuses=_REUSE_KEYS, order=_ORDER)
    for documents in (_DOCUMENT_KEYS, f"{_DOCUMENT_KEYS} offset 0")
)
_FEW = 2000
_RANKED = f"""
select {_COLUMNS}, "timestamp" listed, false reused from coin.result where {_OF_DOCUMENT}
order by {{key}} {{direction}} nulls last, "timestamp" desc, run_id desc limit %(limit)s offset %(offset)s
"""
COUNT_DOCUMENTS = f"select count(*) from coin.result where {_OF_DOCUMENT}"


def ranked(order: Order) -> str:
    """Return the statement of a page of matching documents in an order other than by time."""
    return _RANKED.format(key=_KEYS[order.column], direction="desc" if order.descending else "asc")


def page(total: int) -> str:
    """Return the statement of a page of `total` matching entries; parameter `end` is `offset` plus `limit`."""
    return _OF_FEW if total < _FEW else _OF_MANY
