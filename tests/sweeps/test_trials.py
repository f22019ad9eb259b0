"""The table of trials: its figures, its digest, and the handling of corrupt trials."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.backtest.tables import to_parquet
from coin_pipeline.engine.sweep import Trials
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.sweeps.search_space import PointColumns
from coin_pipeline.sweeps.trials import FIGURES, objectives_of, read_trials, trials_digest, trials_table, with_metadata
from tests.sweeps.parts import registry, spec_of

KNOWN = registry()
TABLE = pa.table(
    {
        "point": pa.array([0, 1, 2], pa.int64()),
        "symbol": ["A", "B", "A"],
        "on": [True, None, False],
        "objective": [0.5, None, 0.0],
    }
)


def trials(**changed: list[float]) -> Trials:
    """Return two points: one without trades, one with four."""
    columns = {
        "trades": [0, 4],
        "wins": [0, 3],
        "bars_held": [0, 5],
        "total_return": [0.0, 0.25],
        "max_drawdown": [0.0, 0.125],
        "gains": [0.0, 0.75],
        "losses": [0.0, 0.25],
    }
    kinds = {"trades": np.int64, "wins": np.int64, "bars_held": np.int64}
    return Trials(**{name: np.array(values, kinds.get(name, float)) for name, values in (columns | changed).items()})


def test_figures_follow_from_the_trials() -> None:
    """An undefined figure is null, which is neither good nor bad."""
    spec = spec_of(KNOWN, {"fast": "1,2", "stop_loss": "none,0.5"}, objective="return_over_drawdown")
    points = [{"fast": 1, "stop_loss": None}, {"fast": 2, "stop_loss": 0.5}]
    taken = PointColumns.of(spec.space, [3, 4], points)
    never, four = trials_table(spec, taken, [10], [trials()]).to_pylist()
    assert never == {
        "point": 3,
        "symbol": "AAA_KRW",
        "fast": 1,
        "stop_loss": None,
        "trades": 0,
        "wins": 0,
        "win_rate": None,
        "total_return": 0.0,
        "max_drawdown": 0.0,
        "avg_return": None,
        "profit_factor": None,
        "exposure": 0.0,
        "objective": None,
    }
    assert four == {
        "point": 4,
        "symbol": "AAA_KRW",
        "fast": 2,
        "stop_loss": 0.5,
        "trades": 4,
        "wins": 3,
        "win_rate": 0.75,
        "total_return": 0.25,
        "max_drawdown": 0.125,
        "avg_return": 0.125,
        "profit_factor": 3.0,
        "exposure": 0.5,
        "objective": 2.0,
    }


@pytest.mark.parametrize("objective", ["total_return", "win_rate", "avg_return", "profit_factor"])
def test_objective_is_one_of_the_figures(objective: str) -> None:
    """It appears under its own name and as the objective."""
    spec = spec_of(KNOWN, {"fast": "1,2"}, objective=objective)
    taken = PointColumns.of(spec.space, [1, 2], [{"fast": number} for number in (1, 2)])
    table = trials_table(spec, taken, [10], [trials()])
    assert table["objective"] == table[objective]
    assert table["objective"].null_count == (objective != "total_return")


def test_overlapping_samples_have_no_exposure_and_no_infinite_return() -> None:
    """Overlapping samples may compound beyond the range of floats."""
    spec = spec_of(KNOWN, {"fast": "1,2"}, fill="signal_close")
    taken = PointColumns.of(spec.space, [1, 2], [{"fast": number} for number in (1, 2)])
    table = trials_table(spec, taken, [10], [trials(total_return=[np.inf, 0.5], max_drawdown=[np.nan, 0.5])])
    assert table["exposure"].to_pylist() == [None, None]
    assert table["total_return"].to_pylist() == table["objective"].to_pylist() == [None, 0.5]
    assert table["max_drawdown"].to_pylist() == [None, 0.5]


def test_swept_names_may_equal_columns() -> None:
    """Such names get a prefix."""
    spec = spec_of(KNOWN, {"trades": "1,2", "kind": [1]}, strategy="named_like_columns")
    taken = PointColumns.of(spec.space, [1, 2], [{"trades": number, "kind": 1} for number in (1, 2)])
    table = trials_table(spec, taken, [10], [trials()])
    assert table["params.trades"].to_pylist() == [1, 2]
    assert table["trades"].to_pylist() == [0, 4]
    assert table.column_names == ["point", "symbol", "params.trades", "kind", *FIGURES]


def test_rows_of_a_point_are_adjacent_in_symbol_order() -> None:
    """The objective of a point is the mean over its symbols, and undefined if it is undefined for one."""
    spec = spec_of(KNOWN, {"fast": "1,2"}, symbols=["BBB_KRW", "AAA_KRW"], objective="win_rate")
    taken = PointColumns.of(spec.space, [1, 2], [{"fast": number} for number in (1, 2)])
    table = trials_table(spec, taken, [10, 20], [trials(), trials(trades=[2, 2], wins=[1, 1])])
    assert table.select(["point", "symbol", "win_rate"]).to_pylist() == [
        {"point": 1, "symbol": "BBB_KRW", "win_rate": None},
        {"point": 1, "symbol": "AAA_KRW", "win_rate": 0.5},
        {"point": 2, "symbol": "BBB_KRW", "win_rate": 0.75},
        {"point": 2, "symbol": "AAA_KRW", "win_rate": 0.5},
    ]
    assert objectives_of(table, 2).tolist() == pytest.approx([np.nan, 0.625], nan_ok=True)


def test_digest_depends_only_on_values() -> None:
    """Chunks, encoding and metadata do not change it."""
    expected = trials_digest(TABLE)
    cut = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    through_parquet = pq.read_table(pa.BufferReader(to_parquet(with_metadata(cut, {"some": "fact"}))))
    plain = pa.BufferOutputStream()
    pq.write_table(TABLE, plain, compression="none", use_dictionary=False, row_group_size=1)
    assert trials_digest(cut) == trials_digest(through_parquet) == expected
    assert trials_digest(pq.read_table(pa.BufferReader(plain.getvalue()))) == expected


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("objective", [0.5, None, np.nextafter(0.0, 1)]),
        ("objective", [0.5, 0.0, 0.0]),
        ("objective", [0.5, None, None]),
        ("on", [True, None, True]),
        ("symbol", ["A", "B", "B"]),
        ("symbol", ["A", "BA", ""]),
        ("point", [0, 1, 3]),
    ],
)
def test_every_value_changes_the_digest(column: str, values: list[object]) -> None:
    """The smallest float, a null instead of a zero, and one letter change it."""
    index = TABLE.column_names.index(column)
    changed = TABLE.set_column(index, column, pa.array(values, TABLE[column].type))
    assert trials_digest(changed) != trials_digest(TABLE)


def test_names_and_order_change_the_digest() -> None:
    """They are part of the table."""
    renamed = TABLE.rename_columns(["point", "symbol", "off", "objective"])
    assert len({trials_digest(table) for table in (TABLE, renamed, TABLE.select([1, 0, 2, 3]), TABLE.slice(0, 2))}) == 4


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text", "no metadata", "other"])
def test_corrupt_trials_are_deleted(tmp_path: Path, damage: str) -> None:
    """They are computed again under the same key."""
    store = LocalStore(tmp_path)
    stored = to_parquet(with_metadata(TABLE, {"sha256": trials_digest(TABLE)}))
    store.put("rows", stored)
    assert read_trials(store, "rows").equals(TABLE)
    broken = {
        "flip": stored[:20] + bytes([stored[20] ^ 255]) + stored[21:],
        "cut": stored[:-30],
        "empty": b"",
        "text": b"PAR1 not at all PAR1",
        "no metadata": to_parquet(TABLE),
        "other": to_parquet(with_metadata(TABLE.slice(1), {"sha256": trials_digest(TABLE)})),
    }
    store.put("rows", broken[damage], overwrite=True)
    assert read_trials(store, "rows") is None
    assert not store.exists("rows")
