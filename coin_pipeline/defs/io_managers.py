"""How what ops hand on is stored: Parquet or JSON through the object store, never pickle."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from coin_pipeline.backtest.document import to_parquet
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.errors import StorageFailed
from coin_pipeline.orchestration.failures import explained
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.results.publish import Published, publish_backtest, remember
from coin_pipeline.results.store import read_result
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.sweeps import result


class InterimIOManager(dg.IOManager):
    """What passes between the ops of one run: tables as Parquet, pydantic models as JSON, under `runs/RUN_ID/`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Write `obj`; a retried step overwrites what its broken attempt left."""
        if isinstance(obj, pa.Table):
            data = to_parquet(obj)
        elif isinstance(obj, BaseModel):
            data = obj.model_dump_json().encode()
        else:
            msg = f"cannot store a {type(obj).__name__}: hand on a pyarrow table or a pydantic model"
            raise TypeError(msg)
        key = _interim_key(context)
        with explained():
            self._store.put(key, data, overwrite=True)
        context.add_output_metadata({"key": key, "bytes": len(data)})

    def load_input(self, context: dg.InputContext) -> object:
        """Read what the upstream op handed on: a pydantic model where the input declares one, else a table."""
        with explained():
            data = self._store.get(_interim_key(_upstream(context)))
        declared = context.dagster_type.typing_type
        if isinstance(declared, type) and issubclass(declared, BaseModel):
            return declared.model_validate_json(data)
        return pq.read_table(pa.BufferReader(data))


class ResultIOManager(dg.IOManager):
    """The end of a run: publishes its result where the API, the command line and people find it."""

    def __init__(
        self,
        store: ObjectStore,
        life: RunHeartbeat,
        publish: Callable[[ObjectStore, Any], Published],
        remember: Callable[[ObjectStore, Any, Published], None] | None = None,
    ) -> None:
        self._store = store
        self._life = life
        self._publish = publish
        self._remember = remember

    def handle_output(self, context: dg.OutputContext, obj: BacktestResult | result.SweepResult) -> None:
        """Write the result's files, manifest last, unless the run has been ended from outside; then its entry."""
        run_id = obj.document["run_id"]
        with explained():
            self._life.begin_publishing()
            published = self._publish(self._store, obj)
            context.add_output_metadata({"key": published.key})
            # What an attempt before this one has published stays: its time differs, which the index must tell.
            self._life.published(self._store, run_id, obj.document if published.fresh else None)
        if self._remember:
            try:
                self._remember(self._store, obj, published)
            except StorageFailed as error:  # the result is there, and that is what was asked for
                context.log.warning("an identical submission will be computed again: %s", error)

    def load_input(self, context: dg.InputContext) -> bytes:
        """Return the stored JSON document of the upstream run."""
        with explained():
            return read_result(self._store, _upstream(context).run_id)


@dg.io_manager(required_resource_keys={"store"}, description="Parquet and JSON between ops.")
def interim_io(context: dg.InitResourceContext) -> InterimIOManager:
    """Build the IO manager for what passes between ops."""
    return InterimIOManager(context.resources.store)


@dg.io_manager(required_resource_keys={"store", "alive"}, description="Published results.")
def result_io(context: dg.InitResourceContext) -> ResultIOManager:
    """Build the IO manager that publishes results of backtests."""
    return ResultIOManager(context.resources.store, context.resources.alive, publish_backtest, remember)


@dg.io_manager(required_resource_keys={"store", "alive"}, description="Published results of sweeps.")
def sweep_io(context: dg.InitResourceContext) -> ResultIOManager:
    """Build the IO manager that publishes results of sweeps."""
    return ResultIOManager(context.resources.store, context.resources.alive, result.publish_sweep)


def interim_folder(run_id: str) -> str:
    """Return the folder of what one run's ops hand on."""
    return f"runs/{run_id}"


def remove_interim(store: ObjectStore, run_id: str) -> None:
    """Remove what one run's ops handed on."""
    for key in list(store.keys(interim_folder(run_id))):
        store.delete(key)


def _interim_key(context: dg.OutputContext) -> str:
    # A mapped step is called simulate[BTC_KRW] and a dynamic output carries its mapping key beside its name.
    parts = [context.step_key.replace("[", "/").rstrip("]"), context.mapping_key or context.name]
    return "/".join([interim_folder(context.run_id), *parts])


def _upstream(context: dg.InputContext) -> dg.OutputContext:
    if context.upstream_output is None:
        msg = f"input {context.name!r} comes from no op"
        raise TypeError(msg)
    return context.upstream_output


@dg.success_hook(required_resource_keys={"store"})
def drop_interim(context: dg.HookContext) -> None:
    """Remove what the ops handed on once the result is published; a failed run keeps it, to be resumed from."""
    remove_interim(context.resources.store, context.run_id)
