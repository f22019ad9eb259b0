"""Groups of symbols that one step of a backtest simulates."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import CandleSlice
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.defs.backtests.groups import MAX_CANDLES, MAX_STEPS, CandleGroup, group_slices
from coin_pipeline.defs.build import build_defs
from coin_pipeline.results.store import load_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry


def fields(count: int) -> dict[str, Any]:
    """A request on as many symbols."""
    symbols = [f"G{number}_KRW" for number in range(count)]
    days = {"start_date": "2023-01-01", "end_date": "2023-03-31"}
    return {"strategy": "volume_zone_breakout", "symbols": symbols, **days}


def slices_of(count: int, rows: int) -> list[CandleSlice]:
    """As many slices, each of as many candles."""
    spec = resolve(parse_request(fields(count)), load_registry())
    return [
        CandleSlice(spec=spec, shelf="tasks", symbol=symbol, rows=rows, coverage={}, sha256=symbol)
        for symbol in spec.symbols
    ]


def test_few_symbols_have_a_step_each() -> None:
    """The step has the name of its symbol."""
    slices = slices_of(MAX_STEPS, 10)
    assert list(group_slices(slices)) == [(piece.symbol, [piece]) for piece in slices]


@pytest.mark.parametrize(("count", "steps"), [(MAX_STEPS + 1, 17), (500, 32)])
def test_many_symbols_share_steps(count: int, steps: int) -> None:
    """No symbol is left out, and the keys of the steps are distinct."""
    slices = slices_of(count, 10)
    groups = dict(group_slices(slices))
    assert len(groups) == steps
    assert [piece for group in groups.values() for piece in group] == slices
    assert next(iter(groups)) == f"symbols_1_to_{-(-count // MAX_STEPS)}"


def test_groups_have_no_more_candles_than_a_year_of_minutes() -> None:
    """Large symbols have a step each, however many there are."""
    assert len(list(group_slices(slices_of(100, MAX_CANDLES)))) == 100
    assert {len(group) for _, group in group_slices(slices_of(100, MAX_CANDLES // 2))} == {2}


def test_a_stored_group_has_the_same_slices() -> None:
    """It is passed on as JSON."""
    slices = slices_of(3, 10)
    stored = CandleGroup.of(slices).model_dump_json()
    assert CandleGroup.model_validate_json(stored).slices == slices


def test_a_job_of_many_symbols_has_the_result_of_a_plain_run(instance: dg.DagsterInstance, data_root: Path) -> None:
    """The steps that symbols share change no figure."""
    catalog, daily, request = CandleCatalog(data_root), parse_timeframe("1d"), fields(MAX_STEPS + 3)
    for seed, symbol in enumerate(request["symbols"]):
        catalog.merge(symbol, daily, synthetic_candles(seed, daily, date(2023, 1, 1), 90))
    job = build_defs().resolve_job_def("backtest")
    done = job.execute_in_process({"ops": {"load_candles": {"config": request}}}, instance=instance)
    plain = runner.run_backtest(resolve(parse_request(request), load_registry()), catalog, load_registry())
    stored = load_result(LocalStore(data_root), done.run_id)
    assert stored["result_sha256"] == plain.document["result_sha256"]
    assert len([event for event in done.all_events if event.event_type_value == "STEP_START"]) == 2 + 18
