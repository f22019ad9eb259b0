"""Commands under test, with their time, CPU time and peak memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.api.platform import COIN, environment
from benchmarks.environment import last_line

ROOT = Path(__file__).parents[2]
USAGE = Path(__file__).with_name("usage.py")
TIMEOUT_S = 900.0

Figures = dict[str, float]


class CommandFailed(Exception):
    """A command under test failed; the row is reported as not measured."""


def coin(root: Path, *arguments: str) -> tuple[Figures, str]:
    """Run ``coin`` on a data folder; return the usage of its processes and its output.

    Args:
        root: DATA_ROOT.
        arguments: Arguments of the command.
    """
    return measured([str(COIN), *arguments], environment(root))


def alone(name: str, *arguments: object) -> tuple[Figures, float]:
    """Run a function of ``benchmarks.work.alone`` in a fresh process; return its usage and its figure."""
    usage, output = measured([sys.executable, "-m", "benchmarks.work.alone", name, *map(str, arguments)])
    return usage, float(output)


def measured(command: list[str], variables: Mapping[str, str] | None = None) -> tuple[Figures, str]:
    """Run a command; return ``wall_s``, ``cpu_s`` and ``peak_mib``, and its standard output.

    The CPU time is that of the command and its descendants, without those that outlive it, such as the embedded
    database; the peak is that of its largest process.

    Raises:
        CommandFailed: The command exited with an error, or took too long.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                [sys.executable, "-S", str(USAGE), file.name, *command],
                cwd=ROOT,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{' '.join(command[1:3])} did not end within {TIMEOUT_S:g} s") from None
        if done.returncode:
            raise CommandFailed(f"exit code {done.returncode}: {last_line(done.stderr.splitlines())}")
        figures: Figures = json.loads(Path(file.name).read_text())
        return figures, done.stdout
