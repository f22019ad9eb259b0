"""Section 3: settings, containers, and what was Redis."""

import os
from collections.abc import Callable

from coin_pipeline.migration.checklist.item import (
    Check,
    ChecklistItem,
    ChecklistOutcome,
    Section,
    constant,
    failed,
    not_applicable,
    passed,
    redis_replaced,
)
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.settings import ignored_setting_notices

_NO_CONTAINERS = constant(not_applicable("no containers are needed: 'coin up' starts and watches every program"))


def data_root(evidence: Inspector) -> ChecklistOutcome:
    """Look whether DATA_ROOT is a folder that can be written, the one that the API serves."""
    root = evidence.root
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return failed(f"{root} cannot be written; chown it to the account that runs coin")
    served = evidence.health()["data_root"]
    if served != str(root):
        return failed(f"the API serves {served}, here DATA_ROOT is {root}; start 'coin up' with the same settings")
    return passed(f"{root} is there, can be written, and is what the API serves")


def redis_settings(_: Inspector) -> ChecklistOutcome:
    """Report the settings of Redis that are still there."""
    names = ", ".join(notice.split()[0] for notice in ignored_setting_notices() if notice.startswith("REDIS_"))
    return not_applicable(f"{names}: no longer used" if names else "no REDIS_* is set, and none is needed")


def setting(name: str, told: Callable[[Inspector], object]) -> Check:
    """Return the look at a setting that has been read."""
    return lambda evidence: passed(f"{name}={told(evidence)}")


ENVIRONMENT = (
    Section(
        "3.1",
        "Environment: variables",
        (
            ChecklistItem("3.1-data-root", "DATA_ROOT is there and can be written", data_root),
            ChecklistItem("3.1-redis", "REDIS_HOST and REDIS_PORT", redis_settings),
            ChecklistItem("3.1-environment", "ENVIRONMENT", setting("ENVIRONMENT", lambda e: e.settings.environment)),
            ChecklistItem(
                "3.1-ttl",
                "TASK_RESULT_TTL_DAYS, 7 unless set",
                setting("TASK_RESULT_TTL_DAYS", lambda e: e.settings.task_result_ttl_days),
            ),
        ),
    ),
    Section(
        "3.2",
        "Environment: Docker",
        (
            ChecklistItem("3.2-dockerfile", "Dockerfile", _NO_CONTAINERS),
            ChecklistItem("3.2-compose", "docker-compose.yml", _NO_CONTAINERS),
            ChecklistItem("3.2-redis", "Redis service", redis_replaced("'coin up' starts PostgreSQL instead")),
            ChecklistItem(
                "3.2-worker", "Worker service", constant(not_applicable("'coin up' starts the worker pool instead"))
            ),
            ChecklistItem("3.2-backend", "What the backend depends on", _NO_CONTAINERS),
            ChecklistItem(
                "3.2-network", "Network", constant(not_applicable("every program listens on 127.0.0.1 only"))
            ),
        ),
    ),
    Section(
        "3.3",
        "Environment: Redis",
        (
            ChecklistItem(
                "3.3-redis-running", "Redis runs", redis_replaced("see component dagster_storage of GET /health")
            ),
            ChecklistItem(
                "3.3-redis-ping", "redis-cli ping answers PONG", redis_replaced("see component daemon of GET /health")
            ),
            ChecklistItem(
                "3.3-redis-memory",
                "Memory of Redis",
                redis_replaced("COIN_MAX_QUEUED bounds what waits, and it is on disk"),
            ),
        ),
    ),
)
