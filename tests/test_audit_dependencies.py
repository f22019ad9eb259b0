"""The audit of dependencies: it neither passes nor fails for a wrong reason."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "audit_dependencies.py"
CLEAN = {"name": "click", "version": "8.1", "vulns": []}
VULNERABLE = {"name": "old", "version": "1.0", "vulns": [{"id": "CVE-2020-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "new", "skip_reason": "it could not be found"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("audit_dependencies", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dependencies", "code", "text"),
    [
        ([CLEAN], 0, "1 dependencies audited, none is vulnerable"),
        ([CLEAN, VULNERABLE], 1, "old 1.0 is vulnerable: CVE-2020-1; fixed in 1.1"),
        ([CLEAN, SKIPPED], 3, "NOT AUDITED: 1 of 2 dependencies (new: it could not be found)"),
        ([VULNERABLE, SKIPPED], 1, "NOT AUDITED: 1 of 2"),
        ([], 3, "NOT AUDITED: no route"),
    ],
)
def test_outcomes(script: ModuleType, dependencies: list[dict[str, Any]], code: int, text: str) -> None:
    """pip-audit itself exits with 0 if it could look nothing up."""
    result, lines = script.report("requirements.lock", dependencies, "no route")
    assert result == code
    assert text in "\n".join(lines)


def test_unreadable_lock_is_not_audited(script: ModuleType, tmp_path: Path) -> None:
    """pip-audit prints an error instead of a document."""
    dependencies, error = script.audit(str(tmp_path / "absent.lock"))
    assert dependencies == []
    assert error
