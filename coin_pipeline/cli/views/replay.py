"""Outcome of a replay."""

import json

import click

from coin_pipeline.results.replay import Difference, Replay

_MAX_CHARS, _DIGEST_CHARS, _SHORT_DIGEST_CHARS = 60, 64, 12
_SUBJECTS = {"spec": "{} of the spec", "candles": "candles of {}", "code": "code of {}", "versions": "version of {}"}


def print_replay(outcome: Replay) -> None:
    """Print which inputs changed since the run, and whether the result is identical."""
    inputs = [difference for difference in outcome.differences if difference.kind in _SUBJECTS]
    for difference in inputs:
        click.echo(_comparison(_SUBJECTS[difference.kind].format(difference.name), difference))
    if outcome.identical:
        click.secho(f"identical{' despite these changes' if inputs else ''}: {outcome.stored_sha256}", fg="green")
        return
    if outcome.same_figures:
        click.secho(
            f"all stored figures are identical, only text or new fields differ: {outcome.stored_sha256}", fg="green"
        )
        for difference in outcome.differences[len(inputs) :]:
            click.echo(f"{difference.name}\n  stored  {difference.stored or 'absent'}\n  now     {difference.current}")
        return
    (result,) = (difference for difference in outcome.differences if difference.kind == "result")
    if not inputs:
        click.secho(
            "spec, candles, code and versions are unchanged but the result differs: the strategy is random, reads"
            " the clock or keeps state, or this machine computes differently; do not rely on any figure of this run",
            fg="red",
            bold=True,
        )
    if outcome.current_sha256 is None:
        click.secho(f"the run now fails: {result.current}", fg="red")
        return
    click.secho(f"the result differs: stored {outcome.stored_sha256}, now {outcome.current_sha256}", fg="red")
    if result.name:
        click.echo(_comparison(f"first difference at {result.name}", result))


def _comparison(subject: str, difference: Difference) -> str:
    return f"{subject}: stored {_shortened(difference.stored)}, now {_shortened(difference.current)}"


def _shortened(value: object) -> str:
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) <= _MAX_CHARS:
        return text
    return f"{text[: _SHORT_DIGEST_CHARS if len(text) == _DIGEST_CHARS and text.isalnum() else _MAX_CHARS]}…"
