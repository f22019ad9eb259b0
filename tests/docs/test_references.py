"""Pages that are generated."""

from scripts import cli_reference, http_reference


def test_the_reference_of_commands_is_current() -> None:
    """`make cli` writes docs/cli.md again."""
    assert cli_reference.PAGE.read_text("utf-8") == cli_reference.reference()


def test_the_reference_of_endpoints_is_current() -> None:
    """`make cli` writes docs/reference/http.md again."""
    assert http_reference.PAGE.read_text("utf-8") == http_reference.reference()
