"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.cli.app import coin

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


@pytest.mark.parametrize("days", [10, 250])
def test_the_strategy_in_the_readme_runs(candles: CandleCatalog, tmp_path: Path, days: int) -> None:
    """Copied into a file as it stands, it can be run with a parameter of its own, up to the longest."""
    assert candles
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    own = tmp_path / "new_high.py"
    own.write_text(code)
    command = ["backtest", "new_high", "AAA_KRW", "--start", "2023-06-01", "--end", "2024-12-31"]
    options = ["--param", f"days={days}", "--strategy-file", str(own)]
    result = CliRunner().invoke(coin, [*command, *options], catch_exceptions=False)
    assert result.stdout.startswith("new_high on AAA_KRW")
    assert "no_look_ahead: signals unchanged" in result.stdout


def test_the_demo_prints_what_the_readme_shows(candles: CandleCatalog) -> None:
    """Figures, coverage and checks are those of the README, line by line; ids and paths differ."""
    assert candles
    (shown,) = re.findall(r"```text\n(volume_zone.*?)```", README, re.DOTALL)
    printed = CliRunner().invoke(coin, ["demo"], catch_exceptions=False).stdout.splitlines()
    fixed = [line for line in shown.splitlines() if not line.startswith(("Run", "Result", "Report", "Dagster"))]
    assert printed[: len(fixed)] == fixed


def test_every_document_that_is_linked_is_there() -> None:
    """No link of the README or of the docs leads nowhere."""
    root = Path(__file__).resolve().parents[1]
    for page in (root / "README.md", root / "CONTRIBUTING.md", *root.glob("docs/**/*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
