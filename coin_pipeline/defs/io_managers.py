"""IO managers: op outputs as Arrow or JSON in the object store, never pickle."""

from typing import BinaryIO

import dagster as dg
import pyarrow as pa
from pydantic import BaseModel

from coin_pipeline.memory import release_memory
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.results.publish import ResultFiles, publish_result
from coin_pipeline.results.store import read_result
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.spooled import Content, map_object, spool


class InterimIOManager(dg.IOManager):
    """Outputs passed between the ops of one run, under `runs/RUN_ID/`: tables in Arrow's format, models as JSON.

    Inputs are views of files, so that the memory of a run does not grow with the number of its symbols.

    An output lives until the run ends, so Parquet's smaller files would not be worth the time of encoding them.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Write `obj`; a retried step overwrites the output of its failed attempt."""
        if isinstance(obj, pa.Table):
            data = _to_arrow(obj)
        elif isinstance(obj, BaseModel):
            data = obj.model_dump_json().encode()
        else:
            msg = f"cannot store a {type(obj).__name__}: return a pyarrow table or a pydantic model"
            raise TypeError(msg)
        key = _interim_key(context)
        with translate_errors():
            self._store.put(key, data, overwrite=True)
        context.add_output_metadata({"key": key, "bytes": len(data)})
        del obj, data
        release_memory()

    def load_input(self, context: dg.InputContext) -> object:
        """Return the upstream output: a pydantic model if the input is annotated with one, else a table."""
        release_memory()
        with translate_errors():
            data = map_object(self._store, _interim_key(_upstream(context)))
        declared = context.dagster_type.typing_type
        if isinstance(declared, type) and issubclass(declared, BaseModel):
            return declared.model_validate_json(data[:])
        return pa.ipc.open_file(pa.BufferReader(data)).read_all()


class ResultIOManager(dg.IOManager):
    """Results of runs: published on output, read as JSON documents on input."""

    def __init__(self, store: ObjectStore, heartbeat: RunHeartbeat) -> None:
        self._store = store
        self._heartbeat = heartbeat

    def handle_output(self, context: dg.OutputContext, obj: ResultFiles) -> None:
        """Publish the result, unless the run was ended from outside."""
        with translate_errors():
            published = publish_result(
                self._store, obj, gate=self._heartbeat, index=self._heartbeat.index, log=context.log
            )
        context.add_output_metadata({"key": published.key})

    def load_input(self, context: dg.InputContext) -> bytes:
        """Return the stored JSON document of the upstream run."""
        with translate_errors():
            return read_result(self._store, _upstream(context).run_id)


@dg.io_manager(required_resource_keys={"store"}, description="Op outputs as Arrow and JSON under runs/RUN_ID/.")
def interim_io(context: dg.InitResourceContext) -> InterimIOManager:
    """Return the IO manager for outputs passed between ops."""
    return InterimIOManager(context.resources.store)


@dg.io_manager(required_resource_keys={"store", "alive"}, description="Published results of backtests.")
def result_io(context: dg.InitResourceContext) -> ResultIOManager:
    """Return the IO manager that publishes results of backtests."""
    return ResultIOManager(context.resources.store, context.resources.alive)


@dg.io_manager(required_resource_keys={"store", "alive"}, description="Published results of sweeps.")
def sweep_io(context: dg.InitResourceContext) -> ResultIOManager:
    """Return the IO manager that publishes results of sweeps."""
    return ResultIOManager(context.resources.store, context.resources.alive)


def interim_folder(run_id: str) -> str:
    """Return the folder of one run's op outputs."""
    return f"runs/{run_id}"


def remove_interim(store: ObjectStore, run_id: str) -> None:
    """Remove one run's op outputs."""
    for key in list(store.keys(interim_folder(run_id))):
        store.delete(key)


def _to_arrow(table: pa.Table) -> Content:
    def write(sink: BinaryIO) -> None:
        with pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table)

    return spool(write, table.nbytes, "an op output")


def _interim_key(context: dg.OutputContext) -> str:
    # The step key of a mapped step is simulate[BTC_KRW]; a dynamic output has a mapping key as well as a name.
    parts = [context.step_key.replace("[", "/").rstrip("]"), context.mapping_key or context.name]
    return "/".join([interim_folder(context.run_id), *parts])


def _upstream(context: dg.InputContext) -> dg.OutputContext:
    if context.upstream_output is None:
        msg = f"input {context.name!r} has no upstream output"
        raise TypeError(msg)
    return context.upstream_output


@dg.success_hook(required_resource_keys={"store"})
def drop_interim(context: dg.HookContext) -> None:
    """Remove the run's op outputs once the result is published; a failed run keeps them, to be resumed from."""
    remove_interim(context.resources.store, context.run_id)
