"""How a sweep is cut, and what the address of a chunk depends on."""

from pathlib import Path

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import CandlesNotFound
from coin_pipeline.sweeps.plan import SweepChunk, SweepPlan, split_into_chunks
from tests.conftest import store_candles
from tests.sweeps.parts import registry, spec_of

KNOWN = registry()
SPACE = {"fast": "1:30:1", "slow": "11:20:1"}


def planned(
    candles: CandleCatalog, space: dict[str, object], chunk_points: int | None = None, **fields: object
) -> SweepPlan:
    """Return the plan of a sweep."""
    return split_into_chunks(candles, KNOWN, spec_of(KNOWN, space, **fields), chunk_points)


@pytest.mark.parametrize(
    ("space", "chunk_points", "sizes"),
    [
        ({"hold": "1:7:1"}, None, [7]),
        ({"hold": "1:120:1"}, None, [50, 50, 20]),
        ({"hold": "1:1200:1"}, None, [60] * 20),
        ({"hold": "1:40000:1"}, None, [1000] * 40),
        ({"hold": "1:60000:1", "slow": "11:20:1"}, None, [1200] * 500),
        ({"hold": "1:7:1"}, 3, [3, 3, 1]),
    ],
)
def test_chunks_are_a_twentieth_within_bounds(
    candles: CandleCatalog, space: dict[str, object], chunk_points: int | None, sizes: list[int]
) -> None:
    """Enough of them to show progress, not so many that they cost more than their points."""
    made = planned(candles, space, chunk_points, confirm=True)
    assert [chunk.stop - chunk.first for chunk in made.chunks] == sizes
    assert [chunk.number for chunk in made.chunks] == list(range(len(sizes)))
    assert {chunk.chunks for chunk in made.chunks} == {len(sizes)}
    assert (made.points, made.skipped, made.duplicates) == (sum(sizes), 0, 0)


def test_chunks_are_larger_where_a_strategy_decides_for_many_points(candles: CandleCatalog) -> None:
    """What is soon done is not worth parting into small pieces."""
    spec = spec_of(KNOWN, {"hold_period_bars": "1:900:1"}, strategy="volume_long_candle")
    assert [chunk.stop - chunk.first for chunk in split_into_chunks(candles, KNOWN, spec).chunks] == [500, 400]


def test_points_that_break_a_constraint_are_counted(candles: CandleCatalog) -> None:
    """The fast mean must be below the slow one."""
    made = planned(candles, SPACE)
    valid = sum(fast < slow for fast in range(1, 31) for slow in range(11, 21))
    assert (made.points, made.skipped, made.duplicates) == (valid, 300 - valid, 0)


def test_draws_that_repeat_are_counted(candles: CandleCatalog) -> None:
    """Of 100 draws from 2 x 2 points four are new, and of those one breaks the constraint."""
    made = planned(candles, {"fast": "5,12", "slow": "11,20"}, search="random", trials=100)
    assert (made.points, made.skipped, made.duplicates) == (3, 1, 96)


def test_a_search_that_adapts_is_one_chunk(candles: CandleCatalog) -> None:
    """Its later points depend on the earlier ones."""
    made = planned(candles, {"fast": "1:9"}, search="optuna", trials=300)
    assert [(chunk.first, chunk.stop) for chunk in made.chunks] == [(0, 300)]
    assert (made.points, made.skipped, made.duplicates) == (300, 0, 0)


def test_chunks_travel_as_json(candles: CandleCatalog) -> None:
    """With the same address on the other side."""
    chunk = planned(candles, SPACE).chunks[2]
    there = SweepChunk.model_validate_json(chunk.model_dump_json())
    assert there == chunk
    assert there.key == chunk.key
    assert chunk.key.startswith("sweeps/chunks/")


def test_the_address_is_that_of_points_spec_candles_and_code(candles: CandleCatalog, tmp_path: Path) -> None:
    """Whatever the rows depend on changes it, and nothing else does."""
    chunk = planned(candles, SPACE, 50).chunks[0]
    longer = planned(candles, {"fast": "1:40:1", "slow": "11:20:1"}, 50).chunks[0]
    assert longer.number == chunk.number
    assert longer.spec != chunk.spec
    assert longer.key == chunk.key  # the same points of a larger grid
    others = {
        "points": planned(candles, SPACE, 50).chunks[1],
        "size": planned(candles, SPACE, 40).chunks[0],
        "fixed": planned(candles, SPACE, 50, params={"hold": 3}).chunks[0],
        "costs": planned(candles, SPACE, 50, fee_rate=0.0).chunks[0],
        "objective": planned(candles, SPACE, 50, objective="win_rate").chunks[0],
        "candles": chunk.model_copy(update={"candles": (chunk.candles[0].model_copy(update={"sha256": "0" * 64}),)}),
        "code": chunk.model_copy(update={"code": "0" * 64}),
        "versions": chunk.model_copy(update={"versions": {**chunk.versions, "numpy": "0"}}),
    }
    keys = {name: SweepChunk.model_validate(other.model_dump()).key for name, other in others.items()}
    assert len({chunk.key, *keys.values()}) == len(keys) + 1
    store_candles(tmp_path)
    assert split_into_chunks(CandleCatalog(tmp_path), KNOWN, chunk.spec, 50).chunks[0].key == chunk.key


def test_rows_of_other_columns_have_another_address(candles: CandleCatalog) -> None:
    """The same points, but of a dimension that holds numbers elsewhere."""
    only, also = (planned(candles, {"stop_loss": space}, 1).chunks[-1] for space in ("none", "0.05,none"))
    point = [(1, {"stop_loss": None})]
    assert only.key_of(point) != also.key_of(point)


def test_a_search_is_known_by_its_space_and_seed(candles: CandleCatalog) -> None:
    """Its points are not known beforehand."""
    keys = {
        planned(candles, {"fast": space}, search="optuna", trials=trials, seed=seed).chunks[0].key
        for space, trials, seed in (("1:9", 20, 0), ("1:8", 20, 0), ("1:9", 21, 0), ("1:9", 20, 1))
    }
    assert len(keys) == 4


def test_missing_candles_are_told(candles: CandleCatalog) -> None:
    """As a backtest does."""
    with pytest.raises(CandlesNotFound, match="ZZZ_KRW"):
        planned(candles, SPACE, symbols=["AAA_KRW", "ZZZ_KRW"])
