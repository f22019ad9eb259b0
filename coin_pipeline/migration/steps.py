"""The steps of the move: each looks at what is there, does what is missing, and can be broken off and repeated.

Nothing remembers how far a move has come, and no file of the older platform is changed or removed.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from coin_pipeline.backtest.index import ResultIndex
from coin_pipeline.backtest.legacy import INDEX_KEY
from coin_pipeline.backtest.pins import pin, pinned
from coin_pipeline.backtest.reindex import reindex
from coin_pipeline.backtest.results import is_run_id
from coin_pipeline.backup.archive import back_up
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.instance import open_instance
from coin_pipeline.errors import InvalidInput, ObjectCorrupt, Problem, ResultNotFound, StorageRefused
from coin_pipeline.migration.older import old_objects, result_files
from coin_pipeline.settings import Settings, without_effect
from coin_pipeline.storage.atomic import storing
from coin_pipeline.storage.bucket import Bucket
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import new_client, open_store

FOLDERS = ("tasks", "results", "backups/results")
_NAMED = 5
State = Literal["done", "already", "not applicable"]


class Report(NamedTuple):
    """What a step found or did."""

    state: State
    detail: str


class Step(NamedTuple):
    """A part of the move."""

    name: str
    take: Callable[[Settings], Report]


def move(settings: Settings) -> Iterator[tuple[str, Report]]:
    """Take each step in turn and yield what it reports.

    Raises:
        InvalidInput: DATA_ROOT is not there, so there is nothing to move.
        CoinError: a step failed; those before it are done.
    """
    if not settings.data_root.is_dir():
        reason = f"{settings.data_root} is not a folder; name the one of the older platform"
        raise InvalidInput([Problem("DATA_ROOT", reason)])
    for step in STEPS:
        yield step.name, step.take(settings)


def _back_up(settings: Settings) -> Report:
    source = settings.data_root / "results"
    if not any(LocalStore(settings.data_root).entries("results")):
        return Report("not applicable", "no result is stored")
    archive = back_up(source, settings.data_root / "backups/results", datetime.now(UTC))
    name = archive.path.relative_to(settings.data_root)
    return Report("already" if archive.known else "done", f"{archive.files:,} files in {name}, read back and compared")


def _make_folders(settings: Settings) -> Report:
    missing = [name for name in FOLDERS if not (settings.data_root / name).is_dir()]
    with storing(settings.data_root):
        for name in missing:
            (settings.data_root / name).mkdir(parents=True, exist_ok=True)
    return Report("done" if missing else "already", ", ".join(missing or FOLDERS))


def _prepare_database(settings: Settings) -> Report:
    with closing(Session(database_url(settings))) as session:
        known = session.do(_has_tables)
    with open_instance(settings):
        where = "DATABASE_URL" if settings.database_url else "DATA_ROOT/postgres"
        return Report("already" if known else "done", f"the tables are there, in {where}")


def _has_tables(cursor: Cursor) -> bool:
    tables = ["coin.lease", "coin.switch", "coin.result"]
    cursor.execute("select count(to_regclass(name)) from unnest(%s) name", (tables,))
    return cursor.fetchone() == (len(tables),)


def _set_up_bucket(settings: Settings) -> Report:
    if not settings.aws_bucket_name:
        return Report("not applicable", "AWS_BUCKET_NAME is not set, so results stay below DATA_ROOT")
    bucket = Bucket(new_client(settings), settings.aws_bucket_name)
    known = _is_set_up(bucket)
    lines = bucket.set_up(versioning=False)
    told = [next(lines)]  # without a bucket there is nothing to go on with
    try:
        told += lines
    except StorageRefused as error:
        return Report("not applicable", f"{told[0]}, and results can be stored; {error}")
    return Report("already" if known else "done", "; ".join(told))


def _is_set_up(bucket: Bucket) -> bool:
    try:
        return not bucket.missing_rules()
    except StorageRefused:  # it is not there, or may not be seen
        return False


def _copy_results(settings: Settings) -> Report:
    if not settings.aws_bucket_name:
        return Report("not applicable", "results are read where they lie")
    local, bucket = LocalStore(settings.data_root), open_store(settings)
    stored = {entry.key: entry.size for shelf in ("results", "tasks") for entry in bucket.entries(shelf)}
    missing = [entry.key for entry in old_objects(settings.data_root) if not _copied(entry.key, entry.size, stored)]
    for key in missing:
        bucket.put(key, local.get(key))  # refused where something else has the key
    return Report("done" if missing else "already", f"{len(missing):,} objects copied to {settings.aws_bucket_name}")


def _copied(key: str, size: int, stored: dict[str, int]) -> bool:
    return key in stored if key == INDEX_KEY else stored.get(key) == size  # that one grew while it was in use


def _pin_tasks(settings: Settings) -> Report:
    """Keep old tasks from expiring, but for those without a manifest, which never had a result."""
    store = open_store(settings)
    kept = pinned(store)
    old = [each.run_id for each in result_files(settings.data_root) if each.older and each.key.startswith("tasks/")]
    missing = [task_id for task_id in old if task_id not in kept and is_run_id(task_id)]
    for task_id in missing:
        with suppress(ResultNotFound, ObjectCorrupt):  # an unreadable manifest keeps its task anyway
            pin(store, task_id)
    if not old:
        return Report("not applicable", "the older platform left none with a result")
    return Report("done" if missing else "already", f"{len(old):,} pinned; 'coin results unpin' lets one expire")


def _index_results(settings: Settings) -> Report:
    with closing(Session(database_url(settings))) as session:
        rebuilt = reindex(open_store(settings), ResultIndex(session))
    changed = rebuilt.added + rebuilt.removed
    told = [f"{rebuilt.added:,} added, {rebuilt.removed:,} removed", *map(str, rebuilt.broken[:_NAMED])]
    return Report("done" if changed else "already", "; ".join(told))


def _settings(_: Settings) -> Report:
    if not Path(".env").is_file():
        return Report("not applicable", "there is no .env here; 'cp .env.sample .env' makes one, defaults need none")
    unused = ", ".join(notice.split()[0] for notice in without_effect())
    return Report("already", ".env is read, and left as it is" + (f"; without effect: {unused}" if unused else ""))


STEPS = (
    Step("back up results", _back_up),
    Step("make folders", _make_folders),
    Step("prepare the database", _prepare_database),
    Step("set up the bucket", _set_up_bucket),
    Step("copy results to the bucket", _copy_results),
    Step("keep old tasks", _pin_tasks),
    Step("index results", _index_results),
    Step("read .env", _settings),
)
