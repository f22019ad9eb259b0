"""Section 4: results, folders, the bucket, notifications and schedules."""

import shlex
import stat

from coin_pipeline.errors import StorageRefused
from coin_pipeline.migration.backups import legacy_results
from coin_pipeline.migration.checklist.item import (
    ChecklistItem,
    ChecklistOutcome,
    Section,
    constant,
    failed,
    not_applicable,
    passed,
    unavailable,
)
from coin_pipeline.migration.checklist.preparation import NOTHING_OLD, RUN, backed_up
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.migration.legacy_files import missing_from_disk
from coin_pipeline.migration.step import join_first
from coin_pipeline.migration.steps import FOLDERS
from coin_pipeline.results.store import result_key
from coin_pipeline.storage.bucket import LIFECYCLE_SUMMARY, Bucket
from coin_pipeline.storage.open_store import new_client

_OWNER_ALL = stat.S_IRWXU
NO_BUCKET = not_applicable("AWS_BUCKET_NAME is not set: results stay below DATA_ROOT")


def archive_size(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the backup has content."""
    if not legacy_results(evidence.files(), "results"):
        return NOTHING_OLD
    found = evidence.archive()
    if found is None:
        return failed("there is none; make it", RUN)
    path, digests = found
    size = path.stat().st_size
    return (
        passed(f"{size:,} bytes, {len(digests):,} files") if digests else failed(f"{path.name} is empty; make it", RUN)
    )


def tasks_folder(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the folder of tasks is there."""
    if not (evidence.root / "tasks").is_dir():
        return failed("DATA_ROOT/tasks is missing; make it", RUN)
    old = len(legacy_results(evidence.files(), "tasks"))
    return passed(f"DATA_ROOT/tasks is there; retention leaves the {old:,} old tasks in it" if old else "it is there")


def old_results(evidence: Inspector) -> ChecklistOutcome:
    """Read every result file, and compare it with what the API answers."""
    found = evidence.results()
    wrong = [f"{old.key}: {old.problem}" for old in found if old.problem]
    if wrong:
        return failed(f"{len(wrong):,} of {len(found):,} files: {join_first(wrong)}")
    versions = ", ".join(sorted({old.version for old in found}))
    return passed(
        f"{len(found):,} files are answered byte for byte (schemas {versions})" if found else "none is stored"
    )


def index_entries(evidence: Inspector) -> ChecklistOutcome:
    """Name what the older platform's index lists without a file."""
    lost = missing_from_disk(evidence.root)
    if lost:
        return failed(
            f"no file for {join_first(lost)}; restore them from a backup of the legacy platform, or accept the loss"
        )
    return passed("results/index.json names no run without a file")


def history(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the history lists every file with the result of a backtest."""
    backtests = [old for old in evidence.results() if not old.version.startswith("sweep")]
    unlisted = [old for old in backtests if old.run_id not in evidence.listed()]
    told = f"GET /api/backtests/history lists {len(backtests) - len(unlisted):,} of {len(backtests):,} files"
    if any(not old.problem for old in unlisted):
        return failed(f"{told}, without {join_first([old.key for old in unlisted])}; list them", "coin results reindex")
    if unlisted:
        return failed(f"{told}; item 4.2-results says what is wrong with the others")
    return passed(told)


def permissions(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the owner may do all in the folders, and strangers may not write."""
    folders = [evidence.root / name for name in FOLDERS if (evidence.root / name).is_dir()]
    for folder in folders:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & _OWNER_ALL != _OWNER_ALL or mode & stat.S_IWOTH:
            return failed(f"{folder} has {mode:o}; correct it", f"chmod 755 {shlex.quote(str(folder))}")
    return passed(
        ", ".join(f"{folder.name} {stat.S_IMODE(folder.stat().st_mode):o}" for folder in folders) or "no folder yet"
    )


def sync_works(evidence: Inspector) -> ChecklistOutcome:
    """Run a backtest and wait for it."""
    run_id, seconds = evidence.sync()
    return passed(f"POST /api/backtests/run answered with run {run_id} after {seconds:.2f} s")


def sync_stored(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the result of that run is stored."""
    key = result_key("results", evidence.sync()[0])
    place = evidence.store.uri(key)
    return passed(place) if evidence.store.exists(key) else failed(f"{place} is missing; see DATA_ROOT/logs")


def bucket(evidence: Inspector) -> ChecklistOutcome:
    """Send an object to the bucket, compare its digest, fetch it, and remove it."""
    return (
        passed(f"{evidence.bucket()} was sent, compared, fetched and removed")
        if evidence.settings.aws_bucket_name
        else NO_BUCKET
    )


def bucket_settings(evidence: Inspector) -> ChecklistOutcome:
    """Say which bucket is set."""
    settings = evidence.settings
    if not settings.aws_bucket_name:
        return NO_BUCKET
    return passed(f"AWS_BUCKET_NAME={settings.aws_bucket_name}, AWS_REGION={settings.aws_region or 'from AWS itself'}")


def lifecycle(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the bucket forgets what is not kept."""
    name = evidence.settings.aws_bucket_name
    if not name:
        return NO_BUCKET
    try:
        missing = Bucket(new_client(evidence.settings), name).missing_rules()
    except StorageRefused:
        return not_applicable("these credentials may not see it; an administrator sets it: coin storage init")
    return (
        failed(f"rules {', '.join(missing)} are missing; make them", "coin storage init")
        if missing
        else passed(LIFECYCLE_SUMMARY)
    )


def policy(evidence: Inspector) -> ChecklistOutcome:
    """Say who judges what the credentials may do."""
    return POLICY if evidence.settings.aws_bucket_name else NO_BUCKET


def environment_read(evidence: Inspector) -> ChecklistOutcome:
    """All settings have been read, or this command would have stopped."""
    return passed(f"every setting is read; DATA_ROOT={evidence.root}")


def backup_folder(evidence: Inspector) -> ChecklistOutcome:
    """Look whether the folder of backups is there."""
    there = (evidence.root / "backups/results").is_dir()
    return (
        passed("DATA_ROOT/backups/results is there") if there else failed("DATA_ROOT/backups is missing; make it", RUN)
    )


POLICY = not_applicable("yours to do: give the account what 'coin storage policy' prints, and no more")
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
            ChecklistItem("4.2-tasks", "tasks/ is there", tasks_folder),
            ChecklistItem("4.2-results", "results/ is kept, every file of it", old_results),
            ChecklistItem("4.2-index", "results/index.json names files that are there", index_entries),
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
            ChecklistItem("4.4-bucket", "The bucket is there", bucket),
            ChecklistItem("4.4-iam", "IAM policy of least privilege", policy),
            ChecklistItem("4.4-bucket-policy", "Policy and lifecycle of the bucket", lifecycle),
            ChecklistItem(
                "4.4-versioning",
                "Versioning (if you want it)",
                constant(not_applicable("yours to choose: coin storage init --versioning")),
            ),
        ),
    ),
    Section(
        "4.5",
        "Data: notifications",
        (
            ChecklistItem("4.5-slack", "Slack webhook", unavailable("SLACK_WEBHOOK_URL has no effect")),
            ChecklistItem("4.5-smtp", "SMTP", unavailable("SMTP_HOST and the like have no effect")),
            ChecklistItem("4.5-s3", "Variables of S3", bucket_settings),
            ChecklistItem("4.5-verified", "Variables are verified", environment_read),
        ),
    ),
    Section(
        "4.6",
        "Data: scheduled backups",
        (
            ChecklistItem(
                "4.6-scheduler",
                "The scheduler of backups runs",
                unavailable("back up results by hand: coin migrate run"),
            ),
            ChecklistItem(
                "4.6-jobs", "Its jobs are listed", unavailable("no backup is scheduled; use cron with coin migrate run")
            ),
            ChecklistItem("4.6-folder", "DATA_ROOT/backups is there", backup_folder),
        ),
    ),
)
