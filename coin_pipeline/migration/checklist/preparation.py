"""Sections 1 and 2: before anything changes, and the code."""

import shutil
from collections.abc import Callable
from pathlib import Path

import coin_pipeline
from coin_pipeline.backup.archive import Digests
from coin_pipeline.migration.backups import legacy_results, missing_keys
from coin_pipeline.migration.checklist.item import (
    ChecklistItem,
    ChecklistOutcome,
    Section,
    constant,
    failed,
    manual,
    not_applicable,
    passed,
    redis_replaced,
)
from coin_pipeline.migration.checkout import checkout
from coin_pipeline.migration.inspector import Inspector

RUN = "coin migrate run"
NOTHING_OLD = not_applicable("no result of the older platform is stored")
MIN_FREE = 5 * 10**9
_NO_CHECKOUT = not_applicable(f"this is coin-pipeline {coin_pipeline.__version__}, not run from a git checkout")
_OWN_FILES = constant(
    not_applicable("the code is coin_pipeline and coin_api here; docs/architecture.md says what lies where")
)


def commit(_: Inspector) -> ChecklistOutcome:
    """Look at the latest commit of a checkout."""
    told = checkout("log", "--oneline", "-1")
    return passed(told) if told else _NO_CHECKOUT


def version(_: Inspector) -> ChecklistOutcome:
    """Look at the version of this program."""
    return passed(f"coin-pipeline {coin_pipeline.__version__}")


def backed_up(evidence: Inspector) -> ChecklistOutcome:
    """Read the newest backups, and look whether every result of the older platform is in them."""
    shelves = (("results", evidence.archive), ("tasks", evidence.tasks_archive))
    told = [_shelf_backed_up(evidence, *each) for each in shelves if legacy_results(evidence.files(), each[0])]
    failed = [outcome for outcome in told if outcome.status == "fail"]
    if not told:
        return NOTHING_OLD
    return failed[0] if failed else passed("; ".join(outcome.detail for outcome in told))


def _shelf_backed_up(
    evidence: Inspector, shelf: str, archive: Callable[[], tuple[Path, Digests] | None]
) -> ChecklistOutcome:
    found = archive()
    if found is None:
        return failed(f"{shelf}/ is not backed up; do so", RUN)
    path, digests = found
    missing = missing_keys(digests, legacy_results(evidence.files(), shelf))
    if missing:
        return failed(f"{len(missing):,} files are not in {path.name}, {missing[0]} say; back them up", RUN)
    return passed(f"{len(digests):,} files in {path.relative_to(evidence.root)}, MD5 right and every member readable")


def answers(evidence: Inspector) -> ChecklistOutcome:
    """Ask for health and strategies."""
    health, strategies = evidence.health(), evidence.api.get("/api/strategies")
    if health["status"] != "healthy":
        return failed(f"GET /health says {ill(health)}; docs/operations.md says what each means")
    if strategies.status != 200:  # noqa: PLR2004 -- HTTP OK
        return failed(f"GET /api/strategies answers {strategies.refusal}")
    return passed(f"healthy, with {strategies.json()['count']} strategies")


def ill(health: dict[str, object]) -> str:
    """Name the parts that are not well."""
    parts = health["components"]
    told = parts.items() if isinstance(parts, dict) else ()
    return "; ".join(f"{name}: {part['detail']}" for name, part in told if not part["healthy"]) or "nothing is wrong"


def disk(evidence: Inspector) -> ChecklistOutcome:
    """Measure the space below DATA_ROOT."""
    free = shutil.disk_usage(evidence.root).free
    told = f"{free / 10**9:.1f} GB free below {evidence.root}"
    return passed(told) if free >= MIN_FREE else failed(f"{told}; make it 5 GB")


PREPARATION = (
    Section(
        "1.1",
        "Preparation: requirements",
        (
            ChecklistItem("1.1-commit", "Latest commit of the repository", commit),
            ChecklistItem("1.1-backup", "A backup is made", backed_up),
            ChecklistItem("1.1-version", "Version in use", version),
        ),
    ),
    Section(
        "1.2",
        "Preparation: present state",
        (
            ChecklistItem(
                "1.2-tests",
                "Tests of the older platform pass",
                manual("run them in its own checkout; they test its code, not your data"),
            ),
            ChecklistItem("1.2-sync-api", "The synchronous API answers", answers),
            ChecklistItem("1.2-disk", "At least 5 GB of disk space", disk),
        ),
    ),
    Section(
        "1.3",
        "Preparation: people",
        (
            ChecklistItem("1.3-developers", "Developers know of the plan", manual("tell them when you move")),
            ChecklistItem("1.3-clients", "Clients know of changes to the API", manual("send them docs/api.md")),
            ChecklistItem("1.3-operations", "Operations know the schedule", manual("send them docs/migration.md")),
            ChecklistItem(
                "1.3-downtime",
                "Downtime is announced",
                manual("10 to 15 minutes are ample: the older API stops before 'coin up' starts"),
            ),
        ),
    ),
)
UPGRADE = (
    Section(
        "2.1",
        "Code upgrade: the code",
        (
            ChecklistItem(
                "2.1-packages",
                "Packages redis and rq",
                redis_replaced("neither is needed, the lock file has all that is"),
            ),
            ChecklistItem("2.1-files", "New files of the backend", _OWN_FILES),
            ChecklistItem("2.1-config", "config.py", constant(not_applicable("coin_pipeline/settings.py here"))),
            ChecklistItem(
                "2.1-task-manager", "task_manager.py", constant(not_applicable("coin_api/dagster_client.py here"))
            ),
            ChecklistItem("2.1-jobs", "jobs.py", constant(not_applicable("coin_pipeline/defs/ here"))),
            ChecklistItem(
                "2.1-result-manager",
                "result_manager.py",
                constant(not_applicable("coin_pipeline/results/store.py here")),
            ),
        ),
    ),
    Section(
        "2.3",
        "Code upgrade: clients",
        (
            ChecklistItem("2.3-library", "Client library", manual("clients that only wait for results need no change")),
            ChecklistItem("2.3-documents", "Documents", manual("docs/api.md has requests, answers and errors")),
            ChecklistItem("2.3-tests", "Test cases", manual("add those of your clients that poll")),
        ),
    ),
)
