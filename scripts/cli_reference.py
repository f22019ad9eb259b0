"""Write docs/cli.md, the reference of all commands, from their own help: python -m scripts.cli_reference."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from coin_pipeline.cli.app import coin

PAGE = Path(__file__).resolve().parents[1] / "docs/cli.md"
INTRODUCTION = """# Commands

Every command of `coin`, with its arguments and options. This page is generated from the commands (`make cli`), which
print the same with `--help`. Exit codes: 0 if a command succeeds, 1 if it fails, 2 if its input is invalid, 130 if it
is interrupted. Settings are read from the environment and from `.env` in the current folder
([settings](settings.md)).
"""


def reference() -> str:
    """Return the page."""
    sections = [INTRODUCTION, *_sections(coin, click.Context(coin, info_name="coin"))]
    return "\n".join(section.rstrip() + "\n" for section in sections)


def _sections(group: click.Group, context: click.Context) -> Iterator[str]:
    """Yield a section for each command of a group, the commands of a group after it."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name  # noqa: S101 -- listed by the group itself
        with click.Context(command, info_name=name, parent=context) as inner:
            yield _section(command, inner)
            if isinstance(command, click.Group):
                yield from _sections(command, inner)


def _section(command: click.Command, context: click.Context) -> str:
    level = "#" * context.command_path.count(" ")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"#{level} {context.command_path}", "", *_help(command), f"```text\n{usage}\n```", ""]
    rows = [row for parameter in command.get_params(context) if (row := _row(parameter, context))]
    if rows:
        lines += ["| option | |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _help(command: click.Command) -> Iterator[str]:
    """Yield the paragraphs of a help text; click's mark of a verbatim block becomes a fenced one."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            verbatim = paragraph.removeprefix(chr(8)).strip()
            yield f"```{'sh' if verbatim.startswith('coin ') else 'text'}\n{verbatim}\n```\n"
        else:
            yield _escaped(" ".join(paragraph.split())) + "\n"


def _row(parameter: click.Parameter, context: click.Context) -> str | None:
    record = parameter.get_help_record(context)
    if record is None or not record[1] or "--help" in parameter.opts:
        return None
    name, text = record
    return f"| `{name.replace('|', chr(92) + '|')}` | {_escaped(' '.join(text.split())).replace('|', chr(92) + '|')} |"


def _escaped(text: str) -> str:
    """Escape what Markdown would take for markup, outside of quoted commands, which become code."""
    quoted = re.sub(r"'(coin [^']+)'", r"`\1`", text)
    parts = re.split(r"(`[^`]*`)", quoted)
    return "".join(part if part.startswith("`") else re.sub(r"([*<])", r"\\\1", part) for part in parts)


if __name__ == "__main__":
    PAGE.write_text(reference(), "utf-8")
