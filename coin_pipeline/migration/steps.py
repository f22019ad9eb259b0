"""The steps of the move: each looks at what is there, does what is missing, and can be broken off and repeated.

Nothing remembers how far a move has come, and no file of the older platform is changed or removed.
"""

import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.migration.backups import FOLDER, back_up_results, back_up_tasks
from coin_pipeline.migration.bucket import copy_results, set_up_bucket
from coin_pipeline.migration.checkout import PACKAGE
from coin_pipeline.migration.legacy_files import INVALID_NAME, unserved_keys
from coin_pipeline.migration.step import NAMED, Step, StepReport, join_first
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.reindex import reindex
from coin_pipeline.settings import Settings, ignored_setting_notices
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.open_store import open_store

FOLDERS = ("tasks", "results", FOLDER)


def run_steps(settings: Settings) -> Iterator[tuple[str, StepReport]]:
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


def _make_folders(settings: Settings) -> StepReport:
    missing = [name for name in FOLDERS if not (settings.data_root / name).is_dir()]
    with translate_os_errors(settings.data_root):
        for name in missing:
            (settings.data_root / name).mkdir(parents=True, exist_ok=True)
    return StepReport("done" if missing else "already", ", ".join(missing or FOLDERS))


def _prepare_database(settings: Settings) -> StepReport:
    with closing(Session(database_url(settings))) as session:
        known = session.run(_has_tables)
    with open_instance(settings):
        where = "DATABASE_URL" if settings.database_url else "DATA_ROOT/postgres"
        return StepReport("already" if known else "done", f"the tables are there, in {where}")


def _has_tables(cursor: Cursor) -> bool:
    tables = ["coin.lease", "coin.switch", "coin.result"]
    cursor.execute("select count(to_regclass(name)) from unnest(%s) name", (tables,))
    return cursor.fetchone() == (len(tables),)


def _index_results(settings: Settings) -> StepReport:
    with closing(Session(database_url(settings))) as session:
        rebuilt = reindex(open_store(settings), ResultIndex(session))
    changed = rebuilt.added + rebuilt.removed
    told = [f"{rebuilt.added:,} added, {rebuilt.removed:,} removed", *map(str, rebuilt.broken[:NAMED])]
    unnamed = unserved_keys(settings.data_root)
    if unnamed:
        told.append(f"not served: {join_first(unnamed)}, {INVALID_NAME}")
    return StepReport("done" if changed else "already", "; ".join(told))


def _settings(_: Settings) -> StepReport:
    if not Path(".env").is_file():
        sample = PACKAGE.parent / ".env.sample"
        how = f"; one to begin with: cp {shlex.quote(str(sample))} .env" if sample.is_file() else ""
        return StepReport("not applicable", f"there is no .env here, and defaults need none{how}")
    unused = ", ".join(notice.split()[0] for notice in ignored_setting_notices())
    return StepReport("already", ".env is read, and left as it is" + (f"; without effect: {unused}" if unused else ""))


STEPS = (
    Step("make folders", _make_folders),
    Step("back up results", back_up_results),
    Step("back up tasks", back_up_tasks),
    Step("prepare the database", _prepare_database),
    Step("set up the bucket", set_up_bucket),
    Step("copy results to the bucket", copy_results),
    Step("index results", _index_results),
    Step("read .env", _settings),
)
