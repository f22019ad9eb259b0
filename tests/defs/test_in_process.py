"""Runs in the process of a command."""

import gc
import uuid
import weakref
from collections.abc import Iterator

import dagster as dg

from coin_pipeline.orchestration._dagster_internals import execute_in_process


class Output:
    """An output that can be watched."""


class Forgetful(dg.IOManager):
    """Stores nothing, and watches the outputs."""

    def __init__(self) -> None:
        self.outputs: list[weakref.ref[Output]] = []

    def handle_output(self, context: dg.OutputContext, obj: Output) -> None:
        """Watch an output."""
        assert context
        self.outputs.append(weakref.ref(obj))

    def load_input(self, context: dg.InputContext) -> int:
        """Return how many outputs are still in memory."""
        assert context
        gc.collect()
        return sum(output() is not None for output in self.outputs)


def test_outputs_of_ops_do_not_stay_in_memory(instance: dg.DagsterInstance) -> None:
    """They are passed on through the IO manager, so that memory does not grow with the number of steps."""
    kept: list[int] = []

    @dg.op(out=dg.DynamicOut())
    def produce() -> Iterator[dg.DynamicOutput[Output]]:
        for number in range(5):
            yield dg.DynamicOutput(Output(), str(number))

    @dg.op
    def consume(found: list[int]) -> None:
        kept.extend(found)

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(Forgetful())})
    def passing_on() -> None:
        consume(produce().collect())

    result = execute_in_process(passing_on, {}, {"purpose": "test"}, instance, str(uuid.uuid4()))
    assert result.success
    assert kept == [0] * 5
