"""The list of strategies."""

import click

from coin_pipeline.strategies.registry import StrategyRegistry, describe_strategy, format_bounds


def print_strategies(registry: StrategyRegistry) -> None:
    """Print each strategy with its parameters, their defaults and bounds."""
    for name in registry.names():
        description = describe_strategy(registry.get(name))
        click.secho(name, bold=True)
        click.echo(f"  {description['description'].splitlines()[0] if description['description'] else ''}")
        for param, schema in description["params"].get("properties", {}).items():
            kind = ", ".join([schema.get("type", "any"), *format_bounds(schema)])
            click.echo(f"    {param} = {schema.get('default')}  ({kind})")
