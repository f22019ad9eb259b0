"""The `coin` command: its subcommands, loaded lazily, and the mapping of errors to exit codes."""

import gc
import sys
from importlib import import_module
from typing import Any

import click

import coin_pipeline
from coin_pipeline.cli.encoding import accept_any_terminal
from coin_pipeline.errors import CoinError, InvalidInput, RunFailed, RunInterrupted

EXIT_FAILED, EXIT_INVALID, EXIT_INTERRUPTED = 1, 2, 130
_COMMANDS = {
    "demo": ("backtests:demo", "Run a backtest on synthetic candles, offline."),
    "up": ("serve:up", "Serve the API and the Dagster UI on this machine."),
    "serve": ("service:serve", "Run one service of the platform, for containers and systemd."),
    "backtest": ("backtests:backtest", "Run a backtest and show its result."),
    "sweep": ("sweeps:sweep", "Search the parameters of a strategy and show the best points."),
    "backup": ("backup:backup", "Back up everything, prove backups and restore them."),
    "candles": ("candles:candles", "Fetch, import, export and check candles."),
    "audit": ("tokens:audit", "Show who changed what, when, and with which outcome."),
    "alerts": ("alerts:alerts", "List and test the alerts to operators, by Slack and mail."),
    "database": ("database:database", "Show, upgrade and downgrade the tables of the platform."),
    "doctor": ("doctor:doctor", "Check this installation, and show what to do about each problem."),
    "forward": ("forward:forward", "Test strategies forward: on paper, candle by candle."),
    "migrate": ("migrate:migrate", "Migrate from the legacy platform: check, run, roll back."),
    "positions": ("positions:positions", "Paper positions: enter, exit, list, sum up and audit them."),
    "presets": ("presets:presets", "Save the parameters of strategies under names."),
    "replay": ("results:replay", "Recompute a stored result and compare it bit for bit."),
    "results": ("results:results", "List, show, verify and pin stored results."),
    "retention": ("retention:retention", "Remove expired tasks and the leftovers of failed runs."),
    "storage": ("storage:storage", "Set up and check where results are stored."),
    "token": ("tokens:token", "Create, list and revoke the tokens of API clients."),
    "strategies": ("backtests:strategies", "List the strategies and their parameters."),
}


IN_PROCESS = "--in-process"
_COMMANDS_IN_POOL = frozenset({"backtest"})


class LazyGroup(click.Group):
    """Command group that imports a command only when it is used, which keeps `coin --help` fast."""

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 -- click's
        """Run the command on a terminal of any encoding."""
        accept_any_terminal()
        return super().main(*args, **options)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order of their declaration."""
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
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
    """Reproducible crypto backtests with realistic costs, run and recorded by Dagster.

    Settings are read from the environment and from .env (see .env.sample). All data are kept under DATA_ROOT.
    """


def main() -> None:
    """Run the command; print a CoinError as one line and exit with 2 for invalid input, 130 if interrupted, else 1."""
    try:
        if (code := _run_in_pool(*sys.argv)) is not None:
            sys.exit(code)
        coin(prog_name="coin")
    except CoinError as error:
        kind = error.kind if isinstance(error, RunFailed) else type(error)
        click.secho(f"error: {error}", fg="red", err=True)
        if isinstance(error, RunFailed):
            click.echo(f"the run is recorded as {error.run_id}", err=True)
        sys.exit(_exit_code(kind))
    finally:
        gc.freeze()  # the interpreter would otherwise traverse everything that is loaded when it ends


def _run_in_pool(program: str, command: str = "", *arguments: str) -> int | None:
    """Run a command in the worker pool of `coin up`, which has loaded everything.

    Returns:
        Its exit code; None if it is to run here: for want of a pool with the same code, or because it is not a command
        that would load much.
    """
    if command not in _COMMANDS_IN_POOL or {IN_PROCESS, "-h", "--help"} & {*arguments}:
        return None
    from coin_pipeline.data_root import find_data_root
    from coin_pipeline.orchestration.worker_pool.commands import run_in_pool
    from coin_pipeline.orchestration.worker_pool.protocol import home_of

    return run_in_pool(home_of(find_data_root()), __name__, [program, command, IN_PROCESS, *arguments])


def _exit_code(kind: type[CoinError]) -> int:
    if issubclass(kind, RunInterrupted):
        return EXIT_INTERRUPTED
    return EXIT_INVALID if issubclass(kind, InvalidInput) else EXIT_FAILED
