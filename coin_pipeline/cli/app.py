"""The coin command: its groups, and how errors end it."""

import sys
from importlib import import_module

import click

import coin_pipeline
from coin_pipeline.errors import CoinError, InvalidInput, RunFailed, RunInterrupted

EXIT_FAILED, EXIT_INVALID, EXIT_INTERRUPTED = 1, 2, 130
_COMMANDS = {
    "demo": ("serve:demo", "Run a backtest on made-up candles and show what comes out."),
    "up": ("serve:up", "Serve the API and the Dagster UI on this machine; Ctrl-C stops all."),
    "backtest": ("backtests:backtest", "Run a backtest as a Dagster job and show its result."),
    "sweep": ("sweeps:sweep", "Try many params of a strategy as one Dagster job and show the best."),
    "candles": ("candles:candles", "Fetch candles from an exchange, import them, and see which are stored."),
    "migrate": ("migrate:migrate", "Move from the older platform: check, run, roll back."),
    "replay": ("replay:replay", "Compute a stored result again and say whether it is the same, bit for bit."),
    "results": ("backtests:results", "List stored results, show one, or pin tasks that shall not expire."),
    "retention": ("retention:retention", "Remove tasks that have expired, and what broken runs left."),
    "storage": ("storage:storage", "Set up and check where results are stored."),
    "strategies": ("backtests:strategies", "List the strategies and their params."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, so that --help answers at once."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a newcomer needs them."""
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(f"coin_pipeline.cli.{module}"), attribute)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(coin_pipeline.__version__, prog_name="coin")
def coin() -> None:
    """Crypto backtests you can believe: orchestrated by Dagster, recorded, reproducible, honestly costed.

    Settings come from the environment and .env (see .env.sample); DATA_ROOT is where everything is kept.
    """


def main() -> None:
    """Run the command; an error of ours becomes one sentence and an exit code, 2 for bad input and 1 for the rest."""
    try:
        coin(prog_name="coin")
    except CoinError as error:
        kind = error.kind if isinstance(error, RunFailed) else type(error)
        click.secho(f"error: {error}", fg="red", err=True)
        if isinstance(error, RunFailed):
            click.echo(f"the run is recorded as {error.run_id}", err=True)
        sys.exit(_exit_code(kind))


def _exit_code(kind: type[CoinError]) -> int:
    if issubclass(kind, RunInterrupted):
        return EXIT_INTERRUPTED
    return EXIT_INVALID if issubclass(kind, InvalidInput) else EXIT_FAILED
