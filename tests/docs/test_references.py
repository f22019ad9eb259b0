"""Pages that are generated."""

from scripts.cli_reference import PAGE, reference


def test_the_reference_of_commands_is_current() -> None:
    """`make cli` writes docs/cli.md again."""
    assert PAGE.read_text("utf-8") == reference()
