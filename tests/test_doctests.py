"""Examples in docstrings."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.conftest import ROOT


def _modules_with_examples() -> list[str]:
    """Return the modules whose text contains an example; importing all of them to find out would take seconds."""
    files = [file for package in ("coin_pipeline", "coin_api") for file in (ROOT / package).rglob("*.py")]
    names = [file.relative_to(ROOT).with_suffix("").parts for file in files if ">>> " in file.read_text()]
    return sorted(".".join(parts).removesuffix(".__init__") for parts in names)


@pytest.mark.parametrize("name", _modules_with_examples())
def test_examples_of_a_module_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example prints what its docstring shows."""
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert result.failed == 0
