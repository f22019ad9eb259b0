"""The equity on the terminal."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from coin_pipeline.cli.app import coin
from coin_pipeline.cli.encoding import plain
from coin_pipeline.cli.views.equity import draw_curve
from coin_pipeline.results.publish import publish_document
from coin_pipeline.storage.local import LocalStore

RISE = np.linspace(0.0, 3.0, 4)


def lines(values: list[float] | np.ndarray, columns: int = 2, rows: int = 1, base: float = -1.0) -> list[str]:
    """Return a drawing."""
    return [*draw_curve(np.array(values, float), columns, rows, base)]


def test_a_rise_is_joined_from_the_bottom_to_the_top() -> None:
    """Each column of dots reaches from the previous value to its own."""
    assert lines(RISE) == ["⣠⠞"]
    assert lines(RISE[::-1]) == ["⠙⢦"]


def test_a_spike_between_two_columns_is_kept() -> None:
    """A thousand bars in four columns of dots, one of them high."""
    values = np.zeros(1000)
    values[600] = 1.0
    assert lines(values) == ["⣀⣇"]


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0]])
def test_a_constant_is_one_line(values: list[float]) -> None:
    """Also a single bar, as wide as the picture."""
    assert lines(values) == ["⠒⠒"]


def test_the_base_is_dotted_where_it_is_between_the_values() -> None:
    """One dot in four; not outside of the values."""
    fall_and_rise = np.concatenate([np.full(40, 1.0), np.full(40, -1.0), np.full(40, 1.0)])
    assert lines(fall_and_rise, 12, 2, base=0.0)[1][5:7] == "⣀⣁"
    assert lines(fall_and_rise, 12, 2, base=2.0)[1][5:7] == "⣀⣀"


@pytest.fixture
def run_id(own_root: Path) -> str:
    """A legacy result with a curve: it needs no run."""
    curve = [{"timestamp": f"2024-01-0{day}T00:00:00Z", "equity": 1 + day / 10} for day in range(1, 8)]
    document = {"run_id": "legacy", "symbols": [{"symbol": "AAA_KRW", "performance_curve": curve}]}
    publish_document(LocalStore(own_root), document, {})
    return "legacy"


def test_the_picture_fits_the_terminal(run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any width; a gain is green where there are colours."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = CliRunner().invoke(coin, ["results", "show", run_id], catch_exceptions=False, color=True).output
    assert "\x1b[32m" in shown
    picture = re.findall(r"^(?:Equity| {6}).*[⠀-⣿]+$", re.sub(r"\x1b\[\d*m", "", shown), re.MULTILINE)
    assert [len(line) for line in picture] == [60] * 8


def test_the_picture_is_plain_in_a_pipe(run_id: str) -> None:
    """With returns and days as labels; JSON has no picture."""
    shown = CliRunner().invoke(coin, ["results", "show", run_id], catch_exceptions=False).output
    picture = re.findall(r"^(?:Equity| {6}).*[⠀-⣿]+$", shown, re.MULTILINE)
    assert len(picture) == 8
    assert picture[0].startswith("Equity     +70.00 % ")
    assert picture[-1].startswith("           +10.00 % ")
    assert re.search(r"^ +2024-01-01 +2024-01-07$", shown, re.MULTILINE)
    assert "\x1b" not in shown
    printed = CliRunner().invoke(coin, ["results", "show", run_id, "--json"], catch_exceptions=False).output
    assert json.loads(printed)["run_id"] == run_id


def test_other_terminals_show_stars() -> None:
    """Where the encoding has no Braille patterns."""
    assert plain("⠀⣀") == " *"
