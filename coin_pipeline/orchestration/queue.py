"""Which queued runs Dagster's daemon launches next, read from the index of its queue.

The order and the limits are Dagster's: by priority, then by age, within `concurrency.runs` of dagster.yaml. Its own
loop reads and sorts all queued runs at each poll, which takes seconds with thousands of them. Limits of Dagster's
concurrency pools, which this platform does not use, are checked when a step starts rather than here.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from sqlalchemy import text

from coin_pipeline.orchestration.storage import engine_of

_ACTIVE = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
_NEXT = text("""
select run_id, tags from coin.queued_run
where not tags @> any (cast(:values as jsonb[])) and not jsonb_exists_any(tags, :keys) and run_id <> all (:chosen)
order by priority desc, place limit :limit
""")
_UNLIMITED = 100
"""Runs that a poll launches if `max_concurrent_runs` is -1, which is unlimited."""
Tags = Mapping[str, str]
Reached = Collection[tuple[str, str | None]]
"""Tags with which no further run may start: each with its value, or None for all values."""


def next_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the queued runs that may be launched now, in order."""
    config = instance.get_concurrency_config().run_queue_config
    active = instance.get_runs(dg.RunsFilter(statuses=[*_ACTIVE]))
    if config is None:
        return []
    room = _UNLIMITED if config.max_concurrent_runs < 0 else config.max_concurrent_runs - len(active)
    chosen = select_runs(instance, room, config.tag_concurrency_limits or (), [run.tags for run in active])
    runs = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=chosen))} if chosen else {}
    return [runs[run_id] for run_id in chosen if run_id in runs]


def select_runs(
    instance: dg.DagsterInstance, room: int, limits: Sequence[Mapping[str, Any]], active: Sequence[Tags]
) -> list[str]:
    """Return the ids of the queued runs that may be launched now, in order.

    Args:
        instance: The instance whose queue is read.
        room: Largest number of runs.
        limits: `tag_concurrency_limits` of dagster.yaml.
        active: Tags of the runs that were launched and have not ended.
    """
    chosen: dict[str, Tags] = {}
    with engine_of(instance).connect() as connection:
        while len(chosen) < room:
            reached = [*reached_limits(limits, [*active, *chosen.values()])]
            values = {
                "values": [json.dumps({key: value}) for key, value in reached if value is not None],
                "keys": [key for key, value in reached if value is None],
                "chosen": [*chosen],
                "limit": room - len(chosen),
            }
            rows = connection.execute(_NEXT, values).all()
            if not rows:
                break
            for run_id, tags in rows:  # the first is never blocked, so the loop ends
                if not _is_blocked(tags, [*reached_limits(limits, [*active, *chosen.values()])]):
                    chosen[run_id] = tags
    return [*chosen]


def reached_limits(limits: Sequence[Mapping[str, Any]], running: Sequence[Tags]) -> Iterator[tuple[str, str | None]]:
    """Yield the tags with which no further run may start.

    Args:
        limits: `tag_concurrency_limits` of dagster.yaml: a limit for a key, for a key with a value, or for each value.
        running: Tags of the runs that count.
    """
    counts = Counter(tag for tags in running for tag in tags.items())
    for limit in limits:
        key, value, most = limit["key"], limit.get("value"), limit["limit"]
        of_key = {tag: count for tag, count in counts.items() if tag[0] == key}
        if isinstance(value, str):
            reached = counts[key, value] >= most
            yield from [(key, value)] if reached else []
        elif value and value.get("applyLimitPerUniqueValue"):
            yield from (tag for tag, count in of_key.items() if count >= most)
        elif sum(of_key.values()) >= most:
            yield key, None


def _is_blocked(tags: Tags, reached: Reached) -> bool:
    return any(key in tags and value in {None, tags[key]} for key, value in reached)
