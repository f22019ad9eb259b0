"""The `coin sweep` command."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coin_pipeline.cli import options
from coin_pipeline.errors import InvalidSpec, Problem
from coin_pipeline.sweeps.request import SweepRequest

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings
    from coin_pipeline.sweeps.spec import SweepSpec


@click.command()
@click.argument("strategy")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@options.request_options(SweepRequest, "strategy", "symbols", "max_positions")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of threads or processes; defaults to all cores. Without effect on a Ray cluster.",
)
@click.option("--fresh", is_flag=True, help="Evaluate every point again, even if an earlier sweep stored it.")
@options.strategy_files
@options.as_json
def sweep(
    space: tuple[str, ...],
    params: tuple[str, ...],
    workers: int | None,
    strategy_files: tuple[Path, ...],
    *,
    fresh: bool,
    as_json: bool,
    **request_fields: object,
) -> None:
    """Search the parameters of STRATEGY on one or more SYMBOLs as one Dagster job and show the best points.

    Safe to interrupt: running the same command again resumes the sweep.

    \b
    coin sweep volume_zone_breakout BTC_KRW --start 2023-01-01 --end 2024-12-31 \\
        --grid volume_window=5:60:5 --grid top_percentile=0.1,0.2,0.3
    coin sweep volume_zone_breakout BTC_KRW --start 2023-01-01 --end 2024-12-31 \\
        --grid volume_window=5:200 --grid stop_loss=0.01:0.2 --search optuna --trials 200
    """
    from coin_pipeline.cli.backtests import parse_params, read_settings
    from coin_pipeline.cli.views.result import print_result
    from coin_pipeline.results.store import read_result
    from coin_pipeline.storage.open_store import open_store

    fields = {"params": parse_params(params), "space": _parse_space(space), **request_fields}
    settings = read_settings(strategy_files)
    request, spec = _resolve(settings, fields, workers)
    run_id = _run(settings, request, spec, workers, fresh=fresh)
    if as_json:
        click.echo(read_result(open_store(settings), run_id))
    else:
        print_result(settings, run_id)


def _parse_space(pairs: tuple[str, ...]) -> dict[str, str]:
    space: dict[str, str] = {}
    for pair in pairs:
        name, equals, values = pair.partition("=")
        if not (name and equals):
            raise InvalidSpec([Problem("space", f"{pair!r} is not NAME=VALUES, such as volume_window=5:60:5")])
        if name in space:
            raise InvalidSpec([Problem(f"space.{name}", "given twice; put all its values into one --grid")])
        space[name] = values
    return space


def _resolve(settings: "Settings", fields: dict[str, Any], workers: int | None) -> "tuple[SweepRequest, SweepSpec]":
    """Validate a request as far as possible before a run is recorded; start the processes of a large sweep."""
    from coin_pipeline.backtest.limits import RunLimits, require_room
    from coin_pipeline.backtest.preflight import require_candles
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.storage.open_store import open_store
    from coin_pipeline.strategies.registry import load_registry
    from coin_pipeline.sweeps.limits import require_trial_room
    from coin_pipeline.sweeps.processes.early import begin_early
    from coin_pipeline.sweeps.request import parse_sweep
    from coin_pipeline.sweeps.resolve import resolve_sweep

    request = parse_sweep(fields)
    registry = load_registry(settings.coin_strategy_files)
    spec = resolve_sweep(request, registry)
    limits = RunLimits.of(None, open_store(settings))
    require_trial_room(spec, limits)
    candles = require_candles(open_catalog(settings), spec)
    require_room(spec, candles, limits)
    if settings.coin_sweep_engine == "local":
        begin_early(registry, spec, sum(candles.values()), workers or os.cpu_count() or 1)
    return request, spec


def _run(settings: "Settings", request: "SweepRequest", spec: "SweepSpec", workers: int | None, *, fresh: bool) -> str:
    """Run the job in this process with a progress bar; return the run id."""
    from coin_pipeline.cli.views.progress import sweep_progress

    with sweep_progress(len(spec.points())) as bar:
        # Importing Dagster takes one to two seconds: show the bar first.
        from coin_pipeline.defs.in_process import run_in_process
        from coin_pipeline.defs.run_requests import sweep_submission

        return run_in_process(settings, sweep_submission(request, spec, workers=workers, fresh=fresh), bar.on_event)
