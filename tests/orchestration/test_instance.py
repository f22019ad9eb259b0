"""Dagster's home directory."""

from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidSettings
from coin_pipeline.orchestration.instance import prepare_home
from coin_pipeline.settings import load_settings


def test_a_dagster_home_without_dagster_yaml_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster itself would use SQLite there, and the runs would be missing everywhere else."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(InvalidSettings, match=r"DAGSTER_HOME: .* has no dagster.yaml; copy this project's into it"):
        prepare_home(load_settings())
    (tmp_path / "dagster.yaml").write_text("{}")
    assert prepare_home(load_settings()) == tmp_path
