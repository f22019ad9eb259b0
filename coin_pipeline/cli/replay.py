"""Recomputing a stored run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli import options

if TYPE_CHECKING:
    from coin_pipeline.results.replay import Difference, Replay

_SHOWN, _DIGEST, _DIGEST_SHOWN = 60, 64, 12
_SUBJECTS = {"spec": "{} of the spec", "candles": "candles of {}", "code": "code of {}", "versions": "version of {}"}


@click.command()
@click.argument("run_id")
@options.strategy_files
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def replay(ctx: click.Context, run_id: str, strategy_files: tuple[Path, ...], *, as_json: bool) -> None:
    """Compute the result of RUN_ID again, of a sweep all trials, and compare it bit for bit.

    Says which of spec, candles, code and package versions is no longer what it was. Exit code 1 if the result differs.
    """
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.cli.backtests import settings_with
    from coin_pipeline.results.replay import replay_backtest
    from coin_pipeline.results.store import load_result
    from coin_pipeline.storage.open_store import open_store
    from coin_pipeline.strategies.registry import load_registry
    from coin_pipeline.sweeps.replay import is_sweep, replay_sweep

    settings = settings_with(strategy_files)
    root = settings.data_root
    computed = replay_sweep if is_sweep(load_result(open_store(settings), run_id)) else replay_backtest
    found = computed(open_store(settings), CandleCatalog(root), load_registry(settings.coin_strategy_files), run_id)
    if as_json:
        click.echo(json.dumps(found.to_json()))
    else:
        _print(found)
    ctx.exit(0 if found.identical else 1)


def _print(found: "Replay") -> None:
    inputs = [difference for difference in found.differences if difference.kind != "result"]
    for difference in inputs:
        click.echo(_sentence(_SUBJECTS[difference.kind].format(difference.name), difference))
    if found.identical:
        click.secho(f"identical{' all the same' if inputs else ''}: {found.stored_sha256}", fg="green")
        return
    (result,) = (difference for difference in found.differences if difference.kind == "result")
    if not inputs:
        click.secho(
            "spec, candles, code and versions are the same, and yet the result differs: the strategy is random, reads"
            " the clock or keeps a state, or the machine computes otherwise; no figure of this run can be relied on",
            fg="red",
            bold=True,
        )
    if found.current_sha256 is None:
        click.secho(f"the run now fails: {result.current}", fg="red")
        return
    click.secho(f"the result differs: {found.stored_sha256} when it ran, {found.current_sha256} now", fg="red")
    if result.name:
        click.echo(_sentence(f"first at {result.name}", result))


def _sentence(subject: str, difference: "Difference") -> str:
    return f"{subject}: {_shown(difference.stored)} when it ran, {_shown(difference.current)} now"


def _shown(value: object) -> str:
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) <= _SHOWN:
        return text
    return f"{text[: _DIGEST_SHOWN if len(text) == _DIGEST and text.isalnum() else _SHOWN]}…"
