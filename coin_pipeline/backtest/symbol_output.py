"""What the simulation of one symbol passes on: small facts as JSON, everything per row as tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pyarrow as pa

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.indicators import Lines, lines_table
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.symbol_result import SymbolResult
from coin_pipeline.backtest.tables import TABLE_NAMES
from coin_pipeline.engine.outcomes import Samples

_FACTS, _SPEC = "facts", b"spec"


@dataclass(frozen=True, slots=True, eq=False)
class SymbolOutput:
    """Output of one symbol's simulation.

    Attributes:
        spec: The backtest.
        facts: Inputs, checks and figures; its size does not depend on the number of candles, signals and trades.
        tables: The tables of a `SymbolResult`, or `samples` if the symbol's account is a shared one; and `indicators`.
    """

    spec: BacktestSpec
    facts: Json
    tables: Mapping[str, pa.Table]

    @classmethod
    def from_result(cls, spec: BacktestSpec, result: SymbolResult, facts: Json) -> "SymbolOutput":
        """Return the output of a symbol that has an account of its own."""
        tables = {"signals": result.signals, "trades": result.trades, "equity": result.equity}
        return cls(spec, {**facts, "symbol": result.json}, tables)

    @classmethod
    def from_samples(cls, spec: BacktestSpec, samples: Samples, facts: Json) -> "SymbolOutput":
        """Return the output of a symbol of a shared account: which samples it takes depends on the other symbols."""
        table = pa.table({field.name: getattr(samples, field.name) for field in fields(Samples)})
        return cls(spec, facts, {"samples": table})

    @property
    def result(self) -> SymbolResult:
        """The symbol's result, if it has an account of its own."""
        return SymbolResult(self.facts["symbol"], *(self.tables[name] for name in TABLE_NAMES))

    def with_lines(self, lines: Lines) -> "SymbolOutput":
        """Return the output with the lines that the strategy plots."""
        return SymbolOutput(self.spec, self.facts, {**self.tables, "indicators": lines_table(lines)})

    @property
    def samples(self) -> Samples:
        """The symbol's samples, if its account is a shared one."""
        table = self.tables["samples"]
        return Samples(*(table[field.name].to_numpy() for field in fields(Samples)))


def to_table(outputs: Sequence[SymbolOutput]) -> pa.Table:
    """Return outputs of one backtest as a table with a row of each: the facts as JSON, each table as a list of structs.

    The spec, which names all symbols, is stored once, as metadata of the schema.
    """
    rows = pa.concat_tables([_to_row(output) for output in outputs])
    return rows.replace_schema_metadata({_SPEC: outputs[0].spec.model_dump_json()})


def from_table(table: pa.Table) -> list[SymbolOutput]:
    """Return the outputs that `to_table` encoded; their columns are views of the table."""
    spec = BacktestSpec.model_validate_json(table.schema.metadata[_SPEC])
    return [_from_row(spec, row) for row in table.to_batches()]


def _to_row(output: SymbolOutput) -> pa.Table:
    lists = {name: _as_list(table) for name, table in output.tables.items()}
    return pa.table({_FACTS: [json.dumps(output.facts, allow_nan=False)], **lists})


def _from_row(spec: BacktestSpec, row: pa.RecordBatch) -> SymbolOutput:
    tables = {name: _as_table(row[name]) for name in row.schema.names if name != _FACTS}
    return SymbolOutput(spec, json.loads(row[_FACTS][0].as_py()), tables)


def _as_list(table: pa.Table) -> pa.Array:
    chunks = table.to_struct_array().chunks if len(table) else [_no_rows(table.schema)]
    structs = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)  # which copies even a single one
    return pa.ListArray.from_arrays(pa.array([0, len(table)], pa.int32()), structs)


def _no_rows(schema: pa.Schema) -> pa.Array:
    return pa.array([], pa.struct(list(schema)))


def _as_table(column: pa.ListArray) -> pa.Table:
    return pa.Table.from_struct_array(column.flatten())
