"""Virtual environment of the peers, separate so that their dependencies do not affect ours."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent
VENV = FOLDER / ".venv"
PYTHON = VENV / "bin" / "python"
PINNED = FOLDER / "peers" / "requirements.txt"
PACKAGES = {
    "vectorbt": "vectorbt",
    "vectorbt_rust": "vectorbt-rust",
    "phasor": "phasor-trader",
    "raptorbt": "raptorbt",
    "backtesting": "backtesting",
}
"""Package of each peer, by adapter name."""


def set_up() -> dict[str, str]:
    """Create the environment if it is missing; return the reasons why peers could not be installed, by adapter."""
    stamp = VENV / ".installed"
    digest = sha256(PINNED.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return {}
    uv = shutil.which("uv")
    create = [uv, "venv", "--quiet", "--clear", "--python"] if uv else [sys.executable, "-m", "venv", "--clear"]
    subprocess.run([*create, *([sys.executable] if uv else []), str(VENV)], check=True)  # noqa: S603 - our own command
    installer = [uv, "pip", "install", "--python", PYTHON] if uv else [PYTHON, "-m", "pip", "install"]
    failed = {}
    for peer, package in PACKAGES.items():
        # One by one, so that a peer without a build for this machine does not affect the others.
        command = [*installer, "--quiet", "--only-binary", ":all:", "--constraint", PINNED, package]
        process = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - same
        if process.returncode:
            failed[peer] = f"not installed: {last_line(process.stderr.splitlines())}"
    if not failed:
        stamp.write_text(digest)
    return failed


def last_line(lines: Iterable[str]) -> str:
    """Return the last line that is not blank."""
    return next((line.strip() for line in reversed(list(lines)) if line.strip()), "no reason given")
