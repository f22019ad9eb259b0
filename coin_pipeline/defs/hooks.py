"""What happens beside the ops when one of them ends."""

from datetime import UTC, datetime

import dagster as dg

from coin_pipeline.backtest.manifest import failed_manifest
from coin_pipeline.backtest.results import publish_task, read_manifest
from coin_pipeline.defs.config import config_of
from coin_pipeline.defs.io_managers import interim_folder
from coin_pipeline.defs.ops import run_start
from coin_pipeline.errors import InvalidInput
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore


@dg.failure_hook(required_resource_keys={"store"})
def leave_failed_manifest(context: dg.HookContext) -> None:
    """Leave a manifest with the error, so that a failed task is known from its folder too; the first error stands."""
    store: ObjectStore = context.resources.store
    run = context.instance.get_run_by_id(context.run_id)
    config = config_of(run) if run else None
    if config is None or config.shelf != "tasks" or read_manifest(store, context.run_id):
        return
    try:
        request = config.request()
    except InvalidInput:
        return  # a request that cannot be read has nothing to put into a manifest; the run says why it failed
    times = (run_start(context.instance, context.run_id), datetime.now(UTC))
    message = str(context.op_exception)
    publish_task(store, failed_manifest(context.run_id, request, times, load_settings().environment, message), {})


@dg.success_hook(required_resource_keys={"store"})
def drop_interim(context: dg.HookContext) -> None:
    """Remove what the ops handed on once the result is published; a failed run keeps it, to be resumed from."""
    store: ObjectStore = context.resources.store
    for key in list(store.keys(interim_folder(context.run_id))):
        store.delete(key)
