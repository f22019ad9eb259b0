"""What happens beside the ops when one of them ends."""

import dagster as dg

from coin_pipeline.defs.io_managers import interim_folder
from coin_pipeline.defs.unfinished import leave_manifest
from coin_pipeline.storage.base import ObjectStore


@dg.failure_hook(required_resource_keys={"store"})
def leave_failed_manifest(context: dg.HookContext) -> None:
    """Leave a manifest with the error, so that a failed task is known from its folder too; the first error stands."""
    run = context.instance.get_run_by_id(context.run_id)
    if run:
        leave_manifest(context.resources.store, context.instance, run, "failed", str(context.op_exception))


@dg.success_hook(required_resource_keys={"store"})
def drop_interim(context: dg.HookContext) -> None:
    """Remove what the ops handed on once the result is published; a failed run keeps it, to be resumed from."""
    store: ObjectStore = context.resources.store
    for key in list(store.keys(interim_folder(context.run_id))):
        store.delete(key)
