"""The script of backups that the legacy platform's users know."""

import subprocess

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "scripts/backup.sh"


def run_script(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the script."""
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)


def test_redis_names_what_took_its_place() -> None:
    """There is nothing to back up, which is not an error."""
    done = run_script("redis")
    assert (done.returncode, done.stderr) == (0, "")
    assert "queued runs are in PostgreSQL and part of its backup" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("everything",)])
def test_other_commands_print_the_usage(arguments: tuple[str, ...]) -> None:
    """The exit code is that of invalid input."""
    done = run_script(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: scripts/backup.sh COMMAND")


@pytest.mark.parametrize("command", ["verify", "restore", "cleanup", "stats"])
def test_a_command_and_its_options_are_those_of_coin(command: str) -> None:
    """The script passes everything on."""
    done = run_script(command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: coin backup {command}")
