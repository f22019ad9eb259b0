"""Git commands in the checkout of this program, or in any folder."""

import shutil
import subprocess
from pathlib import Path

import coin_pipeline

PACKAGE = Path(coin_pipeline.__file__).parent


def checkout(*arguments: str) -> str | None:
    """Return the output of a git command in the checkout of this program; None if it is not run from a checkout."""
    # Only a tracked package counts: a .venv may be inside the checkout of another project.
    tracked = git(PACKAGE, "ls-files", "--error-unmatch", "__init__.py")
    return None if tracked is None else git(PACKAGE, *arguments)


def git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command in a folder; None if git is missing or the command fails."""
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(folder), *arguments]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- fixed command
    return completed.stdout.strip() if completed.returncode == 0 else None
