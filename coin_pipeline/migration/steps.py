"""The migration steps. Each inspects the current state and does only what is missing, so all are safe to repeat.

No progress is recorded anywhere, and no file of the legacy platform is changed or removed.
"""

import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from coin_pipeline.database.schema import is_current
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.migration.backups import FOLDER, back_up_results, back_up_tasks
from coin_pipeline.migration.bucket import copy_results, set_up_bucket
from coin_pipeline.migration.checkout import PACKAGE
from coin_pipeline.migration.legacy_files import INVALID_NAME, unserved_keys
from coin_pipeline.migration.step import MAX_NAMES, Step, StepReport, join_first
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.reindex import reindex
from coin_pipeline.settings import Settings, ignored_setting_notices
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.open_store import open_store

FOLDERS = ("tasks", "results", FOLDER)


def run_steps(settings: Settings) -> Iterator[tuple[str, StepReport]]:
    """Run the steps in order; yield the name and the report of each.

    Raises:
        InvalidInput: DATA_ROOT does not exist, so there is nothing to migrate.
        CoinError: A step failed; the steps before it are complete.
    """
    if not settings.data_root.is_dir():
        reason = f"{settings.data_root} is not a folder; set it to the data folder of the legacy platform"
        raise InvalidInput([Problem("DATA_ROOT", reason)])
    for step in STEPS:
        yield step.name, step.run(settings)


def _create_folders(settings: Settings) -> StepReport:
    missing = [name for name in FOLDERS if not (settings.data_root / name).is_dir()]
    with translate_os_errors(settings.data_root):
        for name in missing:
            (settings.data_root / name).mkdir(parents=True, exist_ok=True)
    return StepReport("done" if missing else "already", ", ".join(missing or FOLDERS))


def _prepare_database(settings: Settings) -> StepReport:
    prepared = is_current(database_url(settings))
    with open_instance(settings):
        location = "DATABASE_URL" if settings.database_url else "DATA_ROOT/postgres"
        return StepReport("already" if prepared else "done", f"tables exist in {location}")


def _index_results(settings: Settings) -> StepReport:
    with closing(Session(database_url(settings))) as session:
        rebuilt = reindex(open_store(settings), ResultIndex(session))
    changed = rebuilt.added + rebuilt.removed
    details = [f"{rebuilt.added:,} added, {rebuilt.removed:,} removed", *map(str, rebuilt.broken[:MAX_NAMES])]
    unserved = unserved_keys(settings.data_root)
    if unserved:
        details.append(f"not served: {join_first(unserved)}, {INVALID_NAME}")
    return StepReport("done" if changed else "already", "; ".join(details))


def _read_dotenv(_: Settings) -> StepReport:
    if not Path(".env").is_file():
        sample = PACKAGE.parent / ".env.sample"
        hint = f"; to start from the sample: cp {shlex.quote(str(sample))} .env" if sample.is_file() else ""
        return StepReport("not applicable", f"no .env in this folder; the defaults need none{hint}")
    ignored = ", ".join(notice.split()[0] for notice in ignored_setting_notices())
    return StepReport("already", ".env is read and left unchanged" + (f"; ignored: {ignored}" if ignored else ""))


STEPS = (
    Step("create folders", _create_folders),
    Step("back up results", back_up_results),
    Step("back up tasks", back_up_tasks),
    Step("prepare the database", _prepare_database),
    Step("set up the bucket", set_up_bucket),
    Step("copy results to the bucket", copy_results),
    Step("index results", _index_results),
    Step("read .env", _read_dotenv),
)
