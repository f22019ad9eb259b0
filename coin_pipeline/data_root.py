"""Where the data are, for a program that has no need of the other settings: loading these takes 0.2 s."""

import os
from pathlib import Path

DEFAULT = "data"


def find_data_root() -> Path:
    """Return DATA_ROOT from the environment or from `.env` in the current folder, as `Settings.data_root` does."""
    return Path(os.environ.get("DATA_ROOT") or _from_dotenv() or DEFAULT).expanduser().absolute()


def _from_dotenv() -> str | None:
    if not Path(".env").is_file():
        return None
    from dotenv import dotenv_values  # noqa: PLC0415 -- many folders have no such file

    return dotenv_values(".env").get("DATA_ROOT")
