"""What happens beside the ops when one of them ends."""

import dagster as dg

from coin_pipeline.defs.io_managers import remove_interim


@dg.success_hook(required_resource_keys={"store"})
def drop_interim(context: dg.HookContext) -> None:
    """Remove what the ops handed on once the result is published; a failed run keeps it, to be resumed from."""
    remove_interim(context.resources.store, context.run_id)
