"""Sections 6 to 10: deployment, rollback, completion, security and next steps."""

import shlex
import stat
from pathlib import Path

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.migration.checklist.backups import backed_up_lately, jobs_are_scheduled
from coin_pipeline.migration.checklist.data import old_results, policy, sync_stored, sync_works
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
from coin_pipeline.migration.checklist.notifications import slack_alerts
from coin_pipeline.migration.checklist.preparation import health
from coin_pipeline.migration.checklist.verification import accepted, task_files
from coin_pipeline.migration.checkout import PACKAGE, checkout, git
from coin_pipeline.migration.inspector import Inspector

NEW_ENDPOINTS = ("POST /api/backtests/run-async", "GET /api/backtests/status/{task_id}")
_STATUS = f"git -C {shlex.quote(str(PACKAGE.parent))} status"
_WORKER_COMPONENTS = ("code_location", "daemon", "worker_pool")


def clean(_: Inspector) -> ChecklistOutcome:
    """Check that the checkout has no uncommitted changes."""
    changes = checkout("status", "--porcelain")
    if changes is None:
        return not_applicable("not run from a git checkout")
    if changes:
        count = len(changes.splitlines())
        return failed(f"uncommitted changes in {pluralize(count, 'path')}; review, then commit or stash them", _STATUS)
    return passed(f"no uncommitted changes in {PACKAGE.parent}")


def backend(inspector: Inspector) -> ChecklistOutcome:
    """Check that the API responds."""
    return passed(f"{inspector.api.url} responds: {inspector.health()['status']}")


def workers(inspector: Inspector) -> ChecklistOutcome:
    """Check the health of the components that execute backtests."""
    components = inspector.health()["components"]
    relevant = {name: component for name, component in components.items() if name in _WORKER_COMPONENTS}
    unhealthy = [f"{name}: {component['detail']}" for name, component in relevant.items() if not component["healthy"]]
    return (
        failed(f"{'; '.join(unhealthy)}; see DATA_ROOT/logs")
        if unhealthy
        else passed(f"healthy: {', '.join(relevant)}")
    )


def result_files(inspector: Inspector) -> ChecklistOutcome:
    """Check that synchronous and asynchronous results are stored."""
    stored = sync_stored(inspector)
    return task_files(inspector) if stored.status == "pass" else stored


def rolled_back(inspector: Inspector) -> ChecklistOutcome:
    """Check whether asynchronous runs are switched off."""
    try:
        inspector.task()
    except ServiceUnavailable as error:
        if "switched off" not in str(error):
            raise
        return passed(str(error))
    return not_applicable("asynchronous runs are on; 'coin migrate rollback' switches them off immediately")


def new_endpoints(inspector: Inspector) -> ChecklistOutcome:
    """Check that GET / lists the new endpoints."""
    missing = [name for name in NEW_ENDPOINTS if name not in inspector.endpoints()]
    if missing:
        return failed(f"GET / does not list {', '.join(missing)}; start this version", "coin up")
    return passed(", ".join(NEW_ENDPOINTS))


def metrics(inspector: Inspector) -> ChecklistOutcome:
    """Check that the metrics of a dashboard are served."""
    response = inspector.api.get("/metrics")
    if response.status != 200:  # noqa: PLR2004 -- HTTP OK
        return failed(f"GET /metrics returned {response.status}; see DATA_ROOT/logs")
    samples = sum(not line.startswith(b"#") for line in response.body.splitlines())
    return passed(f"GET /metrics serves {samples} figures for Prometheus; deploy/grafana has the dashboard")


def secrets_private(_: Inspector) -> ChecklistOutcome:
    """Check that only its owner can access .env."""
    dotenv = Path(".env")
    if not dotenv.is_file():
        return not_applicable("no .env in this folder")
    mode = stat.S_IMODE(dotenv.stat().st_mode)
    if mode & 0o077:
        return failed(f".env has mode {mode:o}, so other users can access its secrets; fix it", "chmod 600 .env")
    return passed(f".env has mode {mode:o}")


def ignored(_: Inspector) -> ChecklistOutcome:
    """Check that git ignores .env."""
    here = Path()  # the folder of the .env that is read, wherever this program is installed
    if git(here, "rev-parse", "--is-inside-work-tree") is None:
        return not_applicable("not in a git checkout, so nothing can be committed")
    if git(here, "check-ignore", ".env") is None:
        return failed("git does not ignore .env; add it to .gitignore", "echo .env >> .gitignore")
    if git(here, "ls-files", ".env"):
        return failed(".env is committed; remove it from git", "git rm --cached .env")
    return passed("git ignores .env")


DEPLOYMENT = (
    Section(
        "6.1",
        "Deployment: before",
        (
            ChecklistItem("6.1-clean", "git status is clean", clean),
            ChecklistItem("6.1-tests", "All tests pass", manual("'make test' in a checkout, if you changed the code")),
            ChecklistItem("6.1-backup", "A backup exists", backed_up_lately),
        ),
    ),
    Section(
        "6.2",
        "Deployment: services",
        (
            ChecklistItem("6.2-redis", "Redis is running", redis_replaced("see dagster_storage in GET /health")),
            ChecklistItem("6.2-backend", "The backend is running", backend),
            ChecklistItem("6.2-worker", "The workers are running", workers),
        ),
    ),
    Section(
        "6.3",
        "Deployment: after",
        (
            ChecklistItem("6.3-health", "Health check", health),
            ChecklistItem("6.3-sync", "Synchronous API", sync_works),
            ChecklistItem("6.3-async", "Asynchronous API", accepted),
            ChecklistItem("6.3-files", "Result files are created", result_files),
        ),
    ),
)
ROLLBACK = (
    Section(
        "7.1",
        "Rollback: immediate",
        (
            ChecklistItem("7.1-done", "Rolled back", rolled_back),
            ChecklistItem("7.1-sync", "The synchronous API works", sync_works),
            ChecklistItem("7.1-async-off", "The asynchronous API is off", rolled_back),
        ),
    ),
    Section(
        "7.2",
        "Rollback: data",
        (
            ChecklistItem("7.2-old", "Results of the legacy platform are available", old_results),
            ChecklistItem(
                "7.2-new",
                "Results of this platform",
                replaced("tasks and results stay available while asynchronous runs are off"),
            ),
        ),
    ),
)
COMPLETION = (
    Section("8", "Completion", (ChecklistItem("8-endpoints", "GET / lists the new endpoints", new_endpoints),)),
)
SECURITY = (
    Section(
        "9",
        "Security",
        (
            ChecklistItem("9-iam", "Least-privilege IAM policy", policy),
            ChecklistItem(
                "9-redis-auth",
                "Redis AUTH",
                redis_replaced("the embedded PostgreSQL has a random password and listens on 127.0.0.1"),
            ),
            ChecklistItem("9-webhook", "Webhook URL and other secrets only in a private .env", secrets_private),
            ChecklistItem("9-ignored", "Secrets are in .gitignore", ignored),
        ),
    ),
)
NEXT = (
    Section(
        "10",
        "Next steps",
        (
            ChecklistItem("10-team", "The team is informed of the completion", manual("announce it")),
            ChecklistItem("10-clients", "Clients know the new API", manual("send them docs/api.md")),
            ChecklistItem("10-slack", "Alerts in a Slack channel", slack_alerts),
            ChecklistItem("10-cron", "Regular backups (cron)", jobs_are_scheduled),
            ChecklistItem("10-dashboard", "Monitoring dashboard", metrics),
            ChecklistItem(
                "10-playbook",
                "Operations has read the playbook",
                manual("docs/operations.md and docs/troubleshooting.md, or docs/ko/operations.md"),
            ),
        ),
    ),
)
