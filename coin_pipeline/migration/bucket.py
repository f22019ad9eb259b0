"""Migration steps for a bucket: set it up and copy the stored results to it."""

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.errors import ObjectExists, StorageRefused
from coin_pipeline.migration.legacy_files import legacy_objects
from coin_pipeline.migration.step import StepReport, join_first
from coin_pipeline.results.legacy import INDEX_KEY
from coin_pipeline.settings import Settings
from coin_pipeline.storage.bucket import Bucket
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import new_client, open_store


def set_up_bucket(settings: Settings) -> StepReport:
    """Create the bucket and set its lifecycle rules."""
    if not settings.aws_bucket_name:
        return StepReport("not applicable", "AWS_BUCKET_NAME is not set, so results stay under DATA_ROOT")
    bucket = Bucket(new_client(settings), settings.aws_bucket_name)
    already_set_up = _is_set_up(bucket)
    lines = bucket.set_up(versioning=False)
    details = [next(lines)]  # the bucket itself: an error here must fail the step
    try:
        details += lines
    except StorageRefused as error:
        return StepReport("not applicable", f"{details[0]} and can store results; {error}")
    return StepReport("already" if already_set_up else "done", "; ".join(details))


def copy_results(settings: Settings) -> StepReport:
    """Copy results that are missing from the bucket; name those whose key is taken by another object."""
    if not settings.aws_bucket_name:
        return StepReport("not applicable", "results are read in place")
    local, bucket, name = LocalStore(settings.data_root), open_store(settings), settings.aws_bucket_name
    stored = {entry.key: entry.size for area in ("results", "tasks") for entry in bucket.entries(area)}
    missing = [
        entry.key for entry in legacy_objects(settings.data_root) if not _is_copied(entry.key, entry.size, stored)
    ]
    taken = []
    for key in missing:
        try:
            bucket.put(key, local.get(key))
        except ObjectExists:
            taken.append(key)
    summary = f"{pluralize(len(missing) - len(taken), 'object')} copied to bucket {name}"
    if not taken:
        return StepReport("done" if missing else "already", summary)
    files = f"{pluralize(len(taken), 'local file')}: {join_first(taken)}"
    conflict = f"bucket {name} has a different object under the key of {files}"
    return StepReport("incomplete", f"{summary}; {conflict}; compare them, remove one of each pair, and run this again")


def _is_set_up(bucket: Bucket) -> bool:
    try:
        return not bucket.missing_rules()
    except StorageRefused:  # it does not exist, or these credentials may not read its rules
        return False


def _is_copied(key: str, size: int, stored: dict[str, int]) -> bool:
    if key == INDEX_KEY:  # its size changed whenever the legacy platform appended to it
        return key in stored
    return stored.get(key) == size
