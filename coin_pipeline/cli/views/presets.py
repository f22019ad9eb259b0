"""Presets on a terminal."""

import json
from collections.abc import Sequence
from typing import Any

import click

from coin_pipeline.presets import Preset


def print_presets(presets: Sequence[Preset]) -> None:
    """Print every preset."""
    for preset in presets:
        print_preset(preset)


def print_preset(preset: Preset) -> None:
    """Print a preset: its name and origin, its description, and the strategy with its parameters."""
    origin = "" if preset.updated_at else "  (built in)"
    click.echo(click.style(preset.name, bold=True) + origin)
    if preset.description:
        click.echo(f"  {preset.description}")
    params = (f"{name}={json.dumps(value)}" for name, value in preset.params.items())
    click.echo("  " + " ".join([preset.strategy, *params]))


def to_json(presets: Preset | Sequence[Preset]) -> str:
    """Return one or more presets as JSON, with the fields of the API."""
    content = _document(presets) if isinstance(presets, Preset) else [_document(preset) for preset in presets]
    return json.dumps(content, indent=2, ensure_ascii=False)


def _document(preset: Preset) -> dict[str, Any]:
    updated_at = preset.updated_at and f"{preset.updated_at:%Y-%m-%dT%H:%M:%S.%fZ}"
    return {**preset._asdict(), "built_in": preset.built_in, "updated_at": updated_at}
