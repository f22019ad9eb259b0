"""Section 3: settings, containers, and the replacement of Redis."""

import os
from collections.abc import Callable

from coin_pipeline.migration.checklist.item import (
    Check,
    ChecklistItem,
    ChecklistOutcome,
    Section,
    failed,
    not_applicable,
    passed,
    redis_replaced,
    replaced,
)
from coin_pipeline.migration.checkout import PACKAGE
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.settings import ignored_setting_notices

_WORKER = "'coin up' and the service 'worker' of docker-compose.yml run a pool of workers with all code loaded"


def data_root(inspector: Inspector) -> ChecklistOutcome:
    """Check that DATA_ROOT is writable and is the folder that the API serves."""
    root = inspector.root
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return failed(f"{root} is not writable; chown it to the account that runs coin")
    served = inspector.health()["data_root"]
    if served != str(root):
        return failed(f"the API serves {served}, but DATA_ROOT here is {root}; start 'coin up' with the same settings")
    return passed(f"{root} exists, is writable and is the folder that the API serves")


def redis_settings(_: Inspector) -> ChecklistOutcome:
    """List the Redis settings that are still set."""
    names = ", ".join(notice.split()[0] for notice in ignored_setting_notices() if notice.startswith(("REDIS_", "RQ_")))
    if not names:
        return not_applicable("no REDIS_* variable is set, and none is needed")
    return ChecklistOutcome("replaced", f"{names}: no longer used; PostgreSQL has its own settings")


def container_file(name: str) -> Check:
    """Return a check that a file of the containers is in the checkout, for those who use containers."""

    def check(_: Inspector) -> ChecklistOutcome:
        path = PACKAGE.parent / name
        if not path.is_file():
            return not_applicable(
                "this program is not run from a checkout; docs/deployment.md describes the containers"
            )
        return passed(f"{path}; docs/deployment.md describes the containers")

    return check


def network(inspector: Inspector) -> ChecklistOutcome:
    """Report the address on which both HTTP servers listen."""
    return passed(f"the API and the Dagster UI listen on {inspector.settings.coin_bind}; nothing else is published")


def setting(name: str, read: Callable[[Inspector], object]) -> Check:
    """Return a check that passes with the value of a setting."""
    return lambda inspector: passed(f"{name}={read(inspector)}")


ENVIRONMENT = (
    Section(
        "3.1",
        "Environment: variables",
        (
            ChecklistItem("3.1-data-root", "DATA_ROOT exists and is writable", data_root),
            ChecklistItem("3.1-redis", "REDIS_HOST and REDIS_PORT", redis_settings),
            ChecklistItem("3.1-environment", "ENVIRONMENT", setting("ENVIRONMENT", lambda i: i.settings.environment)),
            ChecklistItem(
                "3.1-ttl",
                "TASK_RESULT_TTL_DAYS (default 7)",
                setting("TASK_RESULT_TTL_DAYS", lambda i: i.settings.task_result_ttl_days),
            ),
        ),
    ),
    Section(
        "3.2",
        "Environment: Docker",
        (
            ChecklistItem("3.2-dockerfile", "Dockerfile", container_file("Dockerfile")),
            ChecklistItem("3.2-compose", "docker-compose.yml", container_file("docker-compose.yml")),
            ChecklistItem("3.2-redis", "Redis service", redis_replaced("'coin up' and docker-compose.yml start it")),
            ChecklistItem("3.2-worker", "Worker service", replaced(_WORKER)),
            ChecklistItem("3.2-backend", "Backend dependencies", container_file("docker-compose.yml")),
            ChecklistItem("3.2-network", "Network", network),
        ),
    ),
    Section(
        "3.3",
        "Environment: Redis",
        (
            ChecklistItem(
                "3.3-redis-running", "Redis is running", redis_replaced("see dagster_storage in GET /health")
            ),
            ChecklistItem("3.3-redis-ping", "redis-cli ping returns PONG", redis_replaced("see daemon in GET /health")),
            ChecklistItem(
                "3.3-redis-memory",
                "Redis memory",
                redis_replaced("COIN_MAX_QUEUED limits the queue, which is stored on disk"),
            ),
        ),
    ),
)
