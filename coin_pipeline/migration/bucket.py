"""Steps of the move to a bucket: setting it up, and copying old results to it."""

from coin_pipeline.errors import ObjectExists, StorageRefused
from coin_pipeline.migration.legacy_files import legacy_objects
from coin_pipeline.migration.step import StepReport, join_first
from coin_pipeline.results.legacy import INDEX_KEY
from coin_pipeline.settings import Settings
from coin_pipeline.storage.bucket import Bucket
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import new_client, open_store


def set_up_bucket(settings: Settings) -> StepReport:
    """Make the bucket and its rules."""
    if not settings.aws_bucket_name:
        return StepReport("not applicable", "AWS_BUCKET_NAME is not set, so results stay below DATA_ROOT")
    bucket = Bucket(new_client(settings), settings.aws_bucket_name)
    known = _is_set_up(bucket)
    lines = bucket.set_up(versioning=False)
    told = [next(lines)]  # without a bucket there is nothing to go on with
    try:
        told += lines
    except StorageRefused as error:
        return StepReport("not applicable", f"{told[0]}, and results can be stored; {error}")
    return StepReport("already" if known else "done", "; ".join(told))


def copy_results(settings: Settings) -> StepReport:
    """Copy what is not in the bucket, and name what cannot be, since something else has its key."""
    if not settings.aws_bucket_name:
        return StepReport("not applicable", "results are read where they lie")
    local, bucket, name = LocalStore(settings.data_root), open_store(settings), settings.aws_bucket_name
    stored = {entry.key: entry.size for shelf in ("results", "tasks") for entry in bucket.entries(shelf)}
    missing = [entry.key for entry in legacy_objects(settings.data_root) if not _copied(entry.key, entry.size, stored)]
    taken = []
    for key in missing:
        try:
            bucket.put(key, local.get(key))
        except ObjectExists:
            taken.append(key)
    told = f"{len(missing) - len(taken):,} objects copied to bucket {name}"
    if not taken:
        return StepReport("done" if missing else "already", told)
    what = f"bucket {name} holds another object under the key of {len(taken):,} files in DATA_ROOT: {join_first(taken)}"
    return StepReport("incomplete", f"{told}; {what}; compare both, remove one of the two, and run this again")


def _is_set_up(bucket: Bucket) -> bool:
    try:
        return not bucket.missing_rules()
    except StorageRefused:  # it is not there, or may not be seen
        return False


def _copied(key: str, size: int, stored: dict[str, int]) -> bool:
    return key in stored if key == INDEX_KEY else stored.get(key) == size  # that one grew while it was in use
