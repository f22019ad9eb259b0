"""Sections 6 to 10: deployment, rollback, completion, security, and what comes after."""

import shlex
import stat
from pathlib import Path

from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.migration.checklist.data import old_results, policy, sync_stored, sync_works
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
    unavailable,
)
from coin_pipeline.migration.checklist.preparation import answers, backed_up
from coin_pipeline.migration.checklist.verification import accepted, task_files
from coin_pipeline.migration.checkout import PACKAGE, checkout, git
from coin_pipeline.migration.inspector import Inspector

NEW = ("POST /api/backtests/run-async", "GET /api/backtests/status/{task_id}")
_STATUS = f"git -C {shlex.quote(str(PACKAGE.parent))} status"
_WORKERS = ("code_location", "daemon", "worker_pool")


def clean(_: Inspector) -> ChecklistOutcome:
    """Look whether git sees a change."""
    told = checkout("status", "--porcelain")
    if told is None:
        return not_applicable("not run from a git checkout")
    count = len(told.splitlines())
    if told:
        return failed(f"{count} paths differ in the checkout; look, then commit or stash them", _STATUS)
    return passed(f"git sees no change in {PACKAGE.parent}")


def backend(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the API answers."""
    return passed(f"{evidence.api.url} answers, {evidence.health()['status']}")


def workers(evidence: Inspector) -> ChecklistOutcome:
    """Look whether all that runs backtests is well."""
    parts = {name: part for name, part in evidence.health()["components"].items() if name in _WORKERS}
    ill = [f"{name}: {part['detail']}" for name, part in parts.items() if not part["healthy"]]
    return failed(f"{'; '.join(ill)}; see DATA_ROOT/logs") if ill else passed(f"{', '.join(parts)} are well")


def files_made(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the results of both ways to run are stored."""
    stored = sync_stored(evidence)
    return task_files(evidence) if stored.status == "pass" else stored


def rolled_back(evidence: Inspector) -> ChecklistOutcome:
    """Say whether a submission is refused because asynchronous runs are switched off."""
    try:
        evidence.task()
    except ServiceUnavailable as error:
        if "switched off" not in str(error):
            raise
        return passed(str(error))
    return not_applicable("asynchronous runs are on; 'coin migrate rollback' switches them off at once")


def new_endpoints(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the root lists the new endpoints."""
    missing = [name for name in NEW if name not in evidence.endpoints()]
    return (
        failed(f"GET / lacks {', '.join(missing)}; start this version", "coin up")
        if missing
        else passed(", ".join(NEW))
    )


def secrets_private(_: Inspector) -> ChecklistOutcome:
    """Look whether only its owner can read .env."""
    dotenv = Path(".env")
    if not dotenv.is_file():
        return not_applicable("there is no .env here")
    mode = stat.S_IMODE(dotenv.stat().st_mode)
    told = f".env has {mode:o}"
    return (
        failed(f"{told}, others can read its secrets; correct it", "chmod 600 .env") if mode & 0o077 else passed(told)
    )


def ignored(_: Inspector) -> ChecklistOutcome:
    """Look whether git leaves .env out."""
    here = Path()  # the .env that is read, wherever the program lies
    if git(here, "rev-parse", "--is-inside-work-tree") is None:
        return not_applicable("not in a git checkout, so nothing is committed")
    if git(here, "check-ignore", ".env") is None:
        return failed(".env would be committed; leave it out", "echo .env >> .gitignore")
    tracked = git(here, "ls-files", ".env")
    return (
        failed(".env is committed; take it out", "git rm --cached .env") if tracked else passed("git leaves .env out")
    )


DEPLOYMENT = (
    Section(
        "6.1",
        "Deployment: before",
        (
            ChecklistItem("6.1-clean", "git status is clean", clean),
            ChecklistItem("6.1-tests", "All tests pass", manual("'make test' in a checkout, for changes of your own")),
            ChecklistItem("6.1-backup", "A backup is made", backed_up),
        ),
    ),
    Section(
        "6.2",
        "Deployment: services",
        (
            ChecklistItem("6.2-redis", "Redis runs", redis_replaced("see component dagster_storage of GET /health")),
            ChecklistItem("6.2-backend", "The backend runs", backend),
            ChecklistItem("6.2-worker", "The workers run", workers),
        ),
    ),
    Section(
        "6.3",
        "Deployment: after",
        (
            ChecklistItem("6.3-health", "Health check", answers),
            ChecklistItem("6.3-sync", "Synchronous API", sync_works),
            ChecklistItem("6.3-async", "Asynchronous API", accepted),
            ChecklistItem("6.3-files", "Result files are made", files_made),
        ),
    ),
)
ROLLBACK = (
    Section(
        "7.1",
        "Rollback: at once",
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
            ChecklistItem("7.2-old", "Results of the older platform are there", old_results),
            ChecklistItem(
                "7.2-new",
                "Results of this platform",
                constant(not_applicable("they stay: tasks and results are answered while asynchronous runs are off")),
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
            ChecklistItem("9-iam", "IAM policy of least privilege", policy),
            ChecklistItem(
                "9-redis-auth",
                "Redis AUTH",
                redis_replaced("the embedded PostgreSQL has a random password and listens on 127.0.0.1"),
            ),
            ChecklistItem(
                "9-webhook", "Webhook URL and other secrets in the environment, .env private", secrets_private
            ),
            ChecklistItem("9-ignored", "Secrets are in .gitignore", ignored),
        ),
    ),
)
NEXT = (
    Section(
        "10",
        "Next",
        (
            ChecklistItem("10-team", "The team knows that it is done", manual("tell them")),
            ChecklistItem("10-clients", "Clients know the new API", manual("send them docs/api.md")),
            ChecklistItem("10-slack", "Alerts in a Slack channel", unavailable("nothing sends notifications yet")),
            ChecklistItem(
                "10-cron", "Regular backups (cron)", unavailable("nothing is scheduled; run coin migrate run from cron")
            ),
            ChecklistItem(
                "10-dashboard",
                "A dashboard",
                constant(not_applicable("yours to do: GET /health and the Dagster UI have the figures")),
            ),
            ChecklistItem("10-playbook", "Operations have read the playbook", manual("docs/operations.md")),
        ),
    ),
)
