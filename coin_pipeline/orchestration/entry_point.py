"""Calls the `main` of a module in a process that has loaded it, as a new interpreter would."""

import sys
from collections.abc import Sequence
from importlib import import_module

from coin_pipeline.errors import CoinError


def run_main(module: str, argv: Sequence[str]) -> int:
    """Call the `main` of a module, or of a package's `__main__`; return the exit code.

    Args:
        module: Its name, as `python -m` takes it.
        argv: `sys.argv` of the program.
    """
    loaded = import_module(module)
    if hasattr(loaded, "__path__"):
        loaded = import_module(f"{module}.__main__")
    sys.argv = [*argv]
    try:
        loaded.main()
    except CoinError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
            return 1
        return ended.code or 0
    return 0
