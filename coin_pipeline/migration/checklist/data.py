"""Section 4: results, folders, the bucket, notifications and schedules."""

import shlex
import stat

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.errors import StorageRefused
from coin_pipeline.migration.backups import legacy_results
from coin_pipeline.migration.checklist.backups import jobs_are_scheduled, location_exists, scheduler_runs
from coin_pipeline.migration.checklist.item import (
    ChecklistItem,
    ChecklistOutcome,
    Section,
    constant,
    failed,
    not_applicable,
    passed,
)
from coin_pipeline.migration.checklist.notifications import mail_settings, slack_settings
from coin_pipeline.migration.checklist.preparation import NO_LEGACY_RESULTS, RUN, backed_up
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.migration.legacy_files import missing_from_disk
from coin_pipeline.migration.step import join_first
from coin_pipeline.migration.steps import FOLDERS
from coin_pipeline.results.store import result_key
from coin_pipeline.storage.bucket import LIFECYCLE_SUMMARY, Bucket
from coin_pipeline.storage.open_store import new_client

NO_BUCKET = not_applicable("AWS_BUCKET_NAME is not set, so results stay under DATA_ROOT")


def archive_size(inspector: Inspector) -> ChecklistOutcome:
    """Check that the backup of results/ is not empty."""
    if not legacy_results(inspector.files(), "results"):
        return NO_LEGACY_RESULTS
    backup = inspector.results_backup()
    if backup is None:
        return failed("there is no backup; create one", RUN)
    if not backup.digests:
        return failed(f"backup {backup.set_id} is empty; create another", RUN)
    return passed(f"{backup.size:,} bytes, {pluralize(len(backup.digests), 'file')}")


def tasks_folder(inspector: Inspector) -> ChecklistOutcome:
    """Check that the folder of tasks exists."""
    if not (inspector.root / "tasks").is_dir():
        return failed("DATA_ROOT/tasks is missing; create it", RUN)
    legacy = len(legacy_results(inspector.files(), "tasks"))
    kept = f"; retention keeps the {pluralize(legacy, 'legacy task')} in it" if legacy else ""
    return passed(f"DATA_ROOT/tasks exists{kept}")


def old_results(inspector: Inspector) -> ChecklistOutcome:
    """Compare every result file with the response of the API."""
    results = inspector.results()
    problems = [f"{result.key}: {result.problem}" for result in results if result.problem]
    if problems:
        return failed(f"{len(problems):,} of {len(results):,} files: {join_first(problems)}")
    if not results:
        return passed("no results are stored")
    versions = ", ".join(sorted({result.version for result in results}))
    return passed(f"the API returns all {len(results):,} files byte for byte (schemas {versions})")


def index_entries(inspector: Inspector) -> ChecklistOutcome:
    """Check that every run in the legacy index has a file."""
    missing = missing_from_disk(inspector.root)
    if missing:
        remedy = "restore them from a backup of the legacy platform, or accept the loss"
        return failed(f"no file for {join_first(missing)}; {remedy}")
    return passed("no file is missing")


def history(inspector: Inspector) -> ChecklistOutcome:
    """Check that the history lists every file with a backtest result."""
    backtests = [result for result in inspector.results() if not result.version.startswith("sweep")]
    unlisted = [result for result in backtests if result.run_id not in inspector.listed()]
    summary = f"GET /api/backtests/history lists {len(backtests) - len(unlisted):,} of {len(backtests):,} files"
    if any(not result.problem for result in unlisted):
        keys = join_first([result.key for result in unlisted])
        return failed(f"{summary}; index the missing ones, {keys}", "coin results reindex")
    if unlisted:
        return failed(f"{summary}; for the problems of the others see item 4.2-results")
    return passed(summary)


def permissions(inspector: Inspector) -> ChecklistOutcome:
    """Check that the owner has full access to the folders and that they are not world-writable."""
    folders = [inspector.root / name for name in FOLDERS if (inspector.root / name).is_dir()]
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    for folder, mode in modes.items():
        if mode & stat.S_IRWXU != stat.S_IRWXU or mode & stat.S_IWOTH:
            return failed(f"{folder} has mode {mode:o}; fix it", f"chmod 755 {shlex.quote(str(folder))}")
    return passed(
        ", ".join(f"{folder.relative_to(inspector.root)} {mode:o}" for folder, mode in modes.items())
        or "no folder exists yet"
    )


def sync_works(inspector: Inspector) -> ChecklistOutcome:
    """Run a synchronous backtest."""
    run_id, seconds = inspector.sync()
    return passed(f"POST /api/backtests/run returned run {run_id} after {seconds:.2f} s")


def sync_stored(inspector: Inspector) -> ChecklistOutcome:
    """Check that the result of the synchronous backtest is stored."""
    key = result_key("results", inspector.sync()[0])
    uri = inspector.store.uri(key)
    return passed(uri) if inspector.store.exists(key) else failed(f"{uri} is missing; see DATA_ROOT/logs")


def bucket(inspector: Inspector) -> ChecklistOutcome:
    """Send an object to the bucket, compare its digest, fetch it and delete it."""
    if not inspector.settings.aws_bucket_name:
        return NO_BUCKET
    return passed(f"{inspector.bucket()} was sent, compared, fetched and deleted")


def bucket_settings(inspector: Inspector) -> ChecklistOutcome:
    """Report the bucket settings."""
    settings = inspector.settings
    if not settings.aws_bucket_name:
        return NO_BUCKET
    region = settings.aws_region or "from the AWS configuration"
    return passed(f"AWS_BUCKET_NAME={settings.aws_bucket_name}, AWS_REGION={region}")


def lifecycle(inspector: Inspector) -> ChecklistOutcome:
    """Check the lifecycle rules of the bucket."""
    name = inspector.settings.aws_bucket_name
    if not name:
        return NO_BUCKET
    try:
        missing = Bucket(new_client(inspector.settings), name).missing_rules()
    except StorageRefused:
        return not_applicable("these credentials may not read the rules; an administrator sets them: coin storage init")
    if missing:
        return failed(f"rules {', '.join(missing)} are missing; create them", "coin storage init")
    return passed(LIFECYCLE_SUMMARY)


def policy(inspector: Inspector) -> ChecklistOutcome:
    """Point to the IAM policy, which only an administrator can apply."""
    return POLICY if inspector.settings.aws_bucket_name else NO_BUCKET


def environment_read(inspector: Inspector) -> ChecklistOutcome:
    """Pass: an invalid setting would have stopped this command."""
    return passed(f"all settings are valid; DATA_ROOT={inspector.root}")


POLICY = ChecklistOutcome("manual", "grant the account only the policy that 'coin storage policy' prints")
DATA = (
    Section(
        "4.1",
        "Data: backup of results",
        (
            ChecklistItem("4.1-backed-up", "results/ is backed up", backed_up),
            ChecklistItem("4.1-size", "The backup is not empty", archive_size),
        ),
    ),
    Section(
        "4.2",
        "Data: folders",
        (
            ChecklistItem("4.2-tasks", "tasks/ exists", tasks_folder),
            ChecklistItem("4.2-results", "Every file in results/ is kept", old_results),
            ChecklistItem("4.2-index", "Every run in results/index.json has a file", index_entries),
            ChecklistItem("4.2-history", "The history lists every result", history),
            ChecklistItem("4.2-permissions", "Permissions are 755", permissions),
        ),
    ),
    Section(
        "4.3",
        "Data: compatibility",
        (
            ChecklistItem("4.3-sync", "The synchronous API works", sync_works),
            ChecklistItem("4.3-result-file", "Its result is stored in results/", sync_stored),
        ),
    ),
    Section(
        "4.4",
        "Data: S3",
        (
            ChecklistItem("4.4-bucket", "The bucket works", bucket),
            ChecklistItem("4.4-iam", "Least-privilege IAM policy", policy),
            ChecklistItem("4.4-bucket-policy", "Bucket policy and lifecycle", lifecycle),
            ChecklistItem(
                "4.4-versioning",
                "Bucket versioning (optional)",
                constant(not_applicable("your choice: coin storage init --versioning")),
            ),
        ),
    ),
    Section(
        "4.5",
        "Data: notifications",
        (
            ChecklistItem("4.5-slack", "Slack webhook", slack_settings),
            ChecklistItem("4.5-smtp", "SMTP settings", mail_settings),
            ChecklistItem("4.5-s3", "S3 variables", bucket_settings),
            ChecklistItem("4.5-verified", "Variables are verified", environment_read),
        ),
    ),
    Section(
        "4.6",
        "Data: scheduled backups",
        (
            ChecklistItem("4.6-scheduler", "The backup scheduler is running", scheduler_runs),
            ChecklistItem("4.6-jobs", "Scheduled backup jobs are listed", jobs_are_scheduled),
            ChecklistItem("4.6-folder", "DATA_ROOT/backups exists", location_exists),
        ),
    ),
)
