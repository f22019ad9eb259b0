"""What happens beside the ops when one of them ends."""

import dagster as dg

from coin_pipeline.defs.io_managers import interim_folder
from coin_pipeline.storage.base import ObjectStore


@dg.success_hook(required_resource_keys={"store"})
def drop_interim(context: dg.HookContext) -> None:
    """Remove what the ops handed on once the result is published; a failed run keeps it, to be resumed from."""
    store: ObjectStore = context.resources.store
    for key in list(store.keys(interim_folder(context.run_id))):
        store.delete(key)
