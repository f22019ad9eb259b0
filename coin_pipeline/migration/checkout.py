"""What git says of the folder that a command is called in."""

import shutil
import subprocess


def git(*arguments: str) -> str | None:
    """Return what a git command prints, or None: no git, no checkout, or it refuses."""
    program = shutil.which("git")
    if program is None:
        return None
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 -- of our own
    return done.stdout.strip() if done.returncode == 0 else None
