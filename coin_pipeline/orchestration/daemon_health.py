"""Which of Dagster's daemons have recent heartbeats."""

from collections.abc import Iterable

import dagster as dg

from coin_pipeline.orchestration._dagster_internals import get_daemon_statuses

HEARTBEAT_TOLERANCE_S = 60
"""Age of a heartbeat, beyond Dagster's interval of 30 s, at which its daemon counts as away."""


def silent_daemons(instance: dg.DagsterInstance, daemons: Iterable[str]) -> list[str]:
    """Return the daemons without a recent heartbeat, sorted; Dagster reports errors for minutes after they are over.

    Args:
        instance: The Dagster instance.
        daemons: Types of daemons, such as `SCHEDULER`.
    """
    statuses = get_daemon_statuses(
        instance, daemons, ignore_errors=True, heartbeat_tolerance_seconds=HEARTBEAT_TOLERANCE_S
    )
    return sorted(name for name, status in statuses.items() if not status.healthy)
