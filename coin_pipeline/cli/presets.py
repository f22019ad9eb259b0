"""Commands on presets of strategy parameters."""

from pathlib import Path

import click

from coin_pipeline.cli import options
from coin_pipeline.cli.database import open_presets


@click.group()
def presets() -> None:
    """Save the parameters of strategies under names, for 'coin backtest --preset' and the app.

    Three presets are built in: conservative, balanced and aggressive. Saving one of these names replaces it, and
    deleting it restores the built-in one.
    """


@presets.command("list")
@options.as_json
def list_presets(*, as_json: bool) -> None:
    """List all presets with their strategies and parameters."""
    from coin_pipeline.cli.views.presets import print_presets, to_json
    from coin_pipeline.settings import load_settings

    with open_presets(load_settings()) as store:
        stored = store.list_all()
    if as_json:
        click.echo(to_json(stored))
    else:
        print_presets(stored)


@presets.command("show")
@click.argument("name")
@options.as_json
def show_preset(name: str, *, as_json: bool) -> None:
    """Show the preset NAME."""
    from coin_pipeline.cli.views.presets import print_preset, to_json
    from coin_pipeline.settings import load_settings

    with open_presets(load_settings()) as store:
        preset = store.get(name)
    if as_json:
        click.echo(to_json(preset))
    else:
        print_preset(preset)


@presets.command("save")
@click.argument("name")
@click.argument("strategy")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A strategy parameter. May be repeated.")
@click.option("--description", default="", help="What it is for, in one line.")
@options.strategy_files
def save_preset(
    name: str, strategy: str, params: tuple[str, ...], description: str, strategy_files: tuple[Path, ...]
) -> None:
    """Save parameters of STRATEGY as the preset NAME, in place of an earlier one.

    \b
    coin presets save weekly volume_zone_breakout --param volume_window=7 --param top_percentile=0.25
    """
    from coin_pipeline.cli.backtests import parse_params, read_settings
    from coin_pipeline.cli.views.presets import print_preset
    from coin_pipeline.presets import parse_preset
    from coin_pipeline.strategies.registry import load_registry

    settings = read_settings(strategy_files)
    request = parse_preset(
        {"name": name, "strategy": strategy, "params": parse_params(params), "description": description}
    )
    with open_presets(settings) as store:
        print_preset(store.save(request.name, request, load_registry(settings.coin_strategy_files)))


@presets.command("rename")
@click.argument("name")
@click.argument("new_name")
def rename_preset(name: str, new_name: str) -> None:
    """Give the preset NAME the name NEW_NAME; built-in ones keep theirs."""
    from coin_pipeline.candles.fields import parse_fields
    from coin_pipeline.presets import PresetRename
    from coin_pipeline.settings import load_settings

    wanted = parse_fields(PresetRename, {"name": new_name})
    with open_presets(load_settings()) as store:
        renamed = store.rename(name, wanted.name)
    click.echo(f"preset {name} is now {renamed.name}")


@presets.command("delete")
@click.argument("name")
def delete_preset(name: str) -> None:
    """Delete the preset NAME; a changed built-in one is restored."""
    from coin_pipeline.presets import BUILT_IN
    from coin_pipeline.settings import load_settings

    with open_presets(load_settings()) as store:
        store.delete(name)
    click.echo(f"preset {name} is {'the built-in one again' if name in BUILT_IN else 'deleted'}")
