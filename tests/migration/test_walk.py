"""The commands of the checklist walk; `tests/e2e/test_checklist_walk.py` runs them."""

import re
from argparse import Namespace
from pathlib import Path

import pytest

from coin_pipeline.migration.checklist.sections import CHECKLIST
from scripts import walk_checklist as walk
from tests.conftest import ROOT

USERS_CHECKLIST = ROOT.parent / "shared/spec/migration-checklist.ko.md"


def commands_of(markdown: str) -> list[str]:
    """Return the command lines of a document, without comments and indentation."""
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", markdown, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.skipif(not USERS_CHECKLIST.is_file(), reason=f"the users' checklist is not in {USERS_CHECKLIST.parent}")
def test_every_command_of_the_users_checklist_is_walked_in_order() -> None:
    """Each line that users type has an entry: what is run for it, or why nothing is."""
    walked = [line for command in walk.read_commands() for line in command.original.splitlines()]
    assert walked == commands_of(USERS_CHECKLIST.read_text())


def test_commands_name_sections_items_and_conditions_that_exist() -> None:
    """An entry in another section would not be printed, and an unknown condition would never hold."""
    items = {item.id for section in CHECKLIST for item in section.items}
    for command in walk.read_commands():
        assert command.section in {section.number for section in CHECKLIST}
        assert set(command.proves) <= items
        assert set(command.needs) <= set(walk.CONDITIONS)
        assert command.run or (command.instead and command.outcome != "done"), command.title


@pytest.mark.parametrize(
    ("command", "outcome", "reason"),
    [
        (walk.Command("1.1", "x", run="true"), "done", ""),
        (walk.Command("1.1", "x", run="true", instead="y"), "replaced", "y"),
        (walk.Command("1.1", "x", run="false | cat\ntrue"), "failed", "exit code 1"),
        (walk.Command("1.1", "x", run="true", needs=["bucket"]), "n/a", walk.CONDITIONS["bucket"]),
        (walk.Command("1.1", "x", outcome="manual", instead="by hand"), "manual", "by hand"),
    ],
)
def test_outcome_of_a_command(command: walk.Command, outcome: str, reason: str) -> None:
    """A pipe fails as a whole, and a command is not run if it does not apply."""
    step = walk.execute(command, walk.Installation({}, ()))
    assert (step.outcome, step.reason) == (outcome, reason)


def test_installation_without_candles_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command that imports some."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    options = Namespace(base_url="http://127.0.0.1:1", compose="", inside=None, inside_url=None, disruptive=False)
    with pytest.raises(SystemExit, match=r"no candles are stored under .*; import some: coin candles import"):
        walk.inspect(options)
