"""Sections 1 and 2: preparation and the code upgrade."""

import shutil
from collections.abc import Callable

import coin_pipeline
from coin_pipeline.migration.backups import VerifiedBackup, legacy_results
from coin_pipeline.migration.checklist.item import (
    ChecklistItem,
    ChecklistOutcome,
    Section,
    failed,
    manual,
    not_applicable,
    passed,
    redis_replaced,
    replaced,
)
from coin_pipeline.migration.checkout import checkout
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.migration.step import join_first

RUN = "coin migrate run"
NO_LEGACY_RESULTS = not_applicable("no results of the legacy platform are stored")
MIN_FREE = 5 * 10**9
_NO_CHECKOUT = not_applicable(f"this is coin-pipeline {coin_pipeline.__version__}, not run from a git checkout")
_OWN_FILES = replaced("the code is in coin_pipeline and coin_api; docs/architecture.md describes the layout")


def commit(_: Inspector) -> ChecklistOutcome:
    """Report the latest commit of the checkout."""
    latest = checkout("log", "--oneline", "-1")
    return passed(latest) if latest else _NO_CHECKOUT


def version(_: Inspector) -> ChecklistOutcome:
    """Report the version of this program."""
    return passed(f"coin-pipeline {coin_pipeline.__version__}")


def backed_up(inspector: Inspector) -> ChecklistOutcome:
    """Check that the newest backups are intact and contain every legacy result."""
    backups = (("results", inspector.results_backup), ("tasks", inspector.tasks_backup))
    outcomes = [
        _area_backed_up(inspector, area, read_backup)
        for area, read_backup in backups
        if legacy_results(inspector.files(), area)
    ]
    if not outcomes:
        return NO_LEGACY_RESULTS
    failures = [outcome for outcome in outcomes if outcome.status == "fail"]
    return failures[0] if failures else passed("; ".join(outcome.detail for outcome in outcomes))


def _area_backed_up(
    inspector: Inspector, area: str, read_backup: Callable[[], VerifiedBackup | None]
) -> ChecklistOutcome:
    backup = read_backup()
    if backup is None:
        return failed(f"{area}/ is not backed up; back it up", RUN)
    missing = backup.missing(legacy_results(inspector.files(), area))
    if missing:
        return failed(f"not in backup {backup.set_id}: {join_first(missing)}; back up again", RUN)
    return passed(f"{area}/: {backup}")


def health(inspector: Inspector) -> ChecklistOutcome:
    """Check the health of the API and its list of strategies."""
    response, strategies = inspector.health(), inspector.api.get("/api/strategies")
    if response["status"] != "healthy":
        return failed(f"GET /health reports {unhealthy_components(response)}; see docs/operations.md")
    if strategies.status != 200:  # noqa: PLR2004 -- HTTP OK
        return failed(f"GET /api/strategies returned {strategies.refusal}")
    return passed(f"healthy, {strategies.json()['count']} strategies")


def unhealthy_components(response: dict[str, object]) -> str:
    """Return the name and detail of each unhealthy component."""
    components = response["components"]
    items = components.items() if isinstance(components, dict) else ()
    unhealthy = [f"{name}: {component['detail']}" for name, component in items if not component["healthy"]]
    return "; ".join(unhealthy) or "no unhealthy component"


def disk_space(inspector: Inspector) -> ChecklistOutcome:
    """Check the free space under DATA_ROOT."""
    free = shutil.disk_usage(inspector.root).free
    detail = f"{free / 10**9:.1f} GB free under {inspector.root}"
    return passed(detail) if free >= MIN_FREE else failed(f"{detail}; free up space until there are 5 GB")


PREPARATION = (
    Section(
        "1.1",
        "Preparation: requirements",
        (
            ChecklistItem("1.1-commit", "Latest commit of the repository", commit),
            ChecklistItem("1.1-backup", "A backup exists", backed_up),
            ChecklistItem("1.1-version", "Version in use", version),
        ),
    ),
    Section(
        "1.2",
        "Preparation: current state",
        (
            ChecklistItem(
                "1.2-tests",
                "Tests of the legacy platform pass",
                manual("run them in the legacy checkout; they test its code, not your data"),
            ),
            ChecklistItem("1.2-sync-api", "The synchronous API responds", health),
            ChecklistItem("1.2-disk", "At least 5 GB of disk space", disk_space),
        ),
    ),
    Section(
        "1.3",
        "Preparation: people",
        (
            ChecklistItem(
                "1.3-developers", "Developers are informed of the plan", manual("announce when you will migrate")
            ),
            ChecklistItem("1.3-clients", "Clients are informed of API changes", manual("send them docs/api.md")),
            ChecklistItem(
                "1.3-operations", "Operations is informed of the schedule", manual("send them docs/migration.md")
            ),
            ChecklistItem(
                "1.3-downtime",
                "Downtime is announced",
                manual("10 to 15 minutes are enough to stop the legacy API and start 'coin up'"),
            ),
        ),
    ),
)
UPGRADE = (
    Section(
        "2.1",
        "Code upgrade: code",
        (
            ChecklistItem(
                "2.1-packages",
                "Packages redis and rq",
                redis_replaced("neither package is needed; the lock file lists all that are"),
            ),
            ChecklistItem("2.1-files", "New backend files", _OWN_FILES),
            ChecklistItem("2.1-config", "config.py", replaced("now coin_pipeline/settings.py")),
            ChecklistItem("2.1-task-manager", "task_manager.py", replaced("now coin_api/dagster_client.py")),
            ChecklistItem("2.1-jobs", "jobs.py", replaced("now coin_pipeline/defs/")),
            ChecklistItem("2.1-result-manager", "result_manager.py", replaced("now coin_pipeline/results/store.py")),
        ),
    ),
    Section(
        "2.3",
        "Code upgrade: clients",
        (
            ChecklistItem(
                "2.3-library", "Client library", manual("clients that only use synchronous runs need no change")
            ),
            ChecklistItem("2.3-documents", "Documentation", manual("docs/api.md has requests, responses and errors")),
            ChecklistItem("2.3-tests", "Test cases", manual("add tests for your clients that poll")),
        ),
    ),
)
