"""Excerpts of lists for metadata, which Dagster stores with each event."""

from collections.abc import Sequence

SHOWN = 100
"""Number of lines in the metadata of an event; the result, or the log, has all."""


def first_lines(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and the number of the others as a last line.

    >>> first_lines(["a"] * 102)[99:]
    ['a', 'and 2 more']
    """
    omitted = len(lines) - SHOWN
    return [*lines] if omitted <= 0 else [*lines[:SHOWN], f"and {omitted:,} more"]


def bullet_list(lines: Sequence[str]) -> str:
    r"""Return the first lines as a Markdown list.

    >>> bullet_list(["a", "b"])
    '- a\n- b'
    """
    return "\n".join(f"- {line}" for line in first_lines(lines)) or "none"
