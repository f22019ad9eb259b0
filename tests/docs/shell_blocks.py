"""The commands of the documentation, as bash parses them: every fenced shell block of every page."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.conftest import ROOT

_BLOCK = re.compile(r"^( *)```(?:sh|bash|console)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_ABSOLUTE_OUTPUT = re.compile(r">\s*/(?!dev/null)")
_RECORDER = r"""
record() { local line; printf -v line '%s\x1f' "$@"; printf '%s\x1e' "$line" >> "$RECORD"; }
command_not_found_handle() { record "$@"; }
cd() { :; }
for name in kill pkill source exec trap; do eval "$name() { record $name \"\$@\"; }"; done
"""
"""PATH is empty, so bash executes nothing and hands every command to `command_not_found_handle`.

Each is recorded by one write, since the commands of a pipe run at once.
"""


class ShellBlock(NamedTuple):
    """A fenced block with shell commands; `page` is relative to the repository and `line` its first line."""

    page: str
    line: int
    text: str

    @property
    def place(self) -> str:
        """Page and line."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the pages of the documentation, without decisions and the changelog."""
    named = [*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/**/*.md")]
    return sorted(page for page in named if page.is_file() and page.parent.name != "adr")


def shell_blocks() -> Iterator[ShellBlock]:
    """Yield each shell block of the documentation."""
    for page in pages():
        text = page.read_text()
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            yield ShellBlock(
                page.relative_to(ROOT).as_posix(), line, match.group(2).replace("\n" + match.group(1), "\n")
            )


def commands(block: ShellBlock) -> list[list[str]]:
    """Return the commands of a block as lists of arguments, none of which is executed.

    Those that depend on the output of another see an empty one. Programs with a path, such as `.venv/bin/coin`, are
    among them.
    """
    assert not _ABSOLUTE_OUTPUT.search(block.text), f"{block.place} writes to an absolute path, which a test must not"
    script = re.sub(r"^#!.*\n", "", block.text)
    with TemporaryDirectory() as folder:
        record = Path(folder, "record")
        record.touch()
        programs = set(re.findall(r"(?:^|[\s(|&;])(\.?[\w.-]*/[\w./-]+)(?=\s|$)", script, re.MULTILINE))
        for program in programs:  # such as scripts/backup.sh, for which bash does not look at PATH
            script = re.sub(rf"(?<![\w./-]){re.escape(program)}(?=\s|$)", program.replace("/", "\x1d"), script)
        done = subprocess.run(
            ["/bin/bash", "-c", _RECORDER + script],
            env={"PATH": "/nowhere", "RECORD": str(record), "HOME": folder},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr, f"{block.place}: {done.stderr}"
        recorded = record.read_text().replace("\x1d", "/").split("\x1e")
    return [entry.split("\x1f")[:-1] for entry in recorded if entry]
