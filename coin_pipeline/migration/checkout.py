"""What git says: of the checkout that this program runs from, and of any other folder."""

import shutil
import subprocess
from pathlib import Path

import coin_pipeline

PACKAGE = Path(coin_pipeline.__file__).parent


def checkout(*arguments: str) -> str | None:
    """Return what a git command prints in the checkout of this program, or None: it was installed some other way."""
    ours = git(PACKAGE, "ls-files", "--error-unmatch", "__init__.py")  # a .venv may lie in a checkout of anything
    return None if ours is None else git(PACKAGE, *arguments)


def git(folder: Path, *arguments: str) -> str | None:
    """Return what a git command prints in a folder, or None: no git, no checkout, or it refuses."""
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- of our own
    return done.stdout.strip() if done.returncode == 0 else None
