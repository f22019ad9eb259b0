"""The examples of the README."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.cli.app import coin

ROOT = Path(__file__).resolve().parents[1]
README, KOREAN = ((ROOT / name).read_text() for name in ("README.md", "README.ko.md"))


@pytest.mark.parametrize("days", [10, 250])
def test_strategy_of_the_readme_runs(candles: CandleCatalog, tmp_path: Path, days: int) -> None:
    """The code runs unchanged from a strategy file, with values of its parameter up to the greatest."""
    assert candles
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Strategy" in block]
    strategy_file = tmp_path / "new_high.py"
    strategy_file.write_text(code)
    command = ["backtest", "new_high", "AAA_KRW", "--start", "2023-06-01", "--end", "2024-12-31"]
    options = ["--param", f"days={days}", "--strategy-file", str(strategy_file)]
    result = CliRunner().invoke(coin, [*command, *options], catch_exceptions=False)
    assert result.stdout.startswith("new_high on AAA_KRW")
    assert "no_look_ahead: signals unchanged" in result.stdout


def test_demo_prints_the_output_in_the_readme(candles: CandleCatalog) -> None:
    """Figures, coverage and checks are identical line by line; only ids and paths differ."""
    assert candles
    (documented,) = re.findall(r"```text\n(volume_zone.*?)```", README, re.DOTALL)
    printed = CliRunner().invoke(coin, ["demo"], catch_exceptions=False).stdout.splitlines()
    variable = ("Run", "Result", "Report", "Dagster")
    expected = [line for line in documented.splitlines() if not line.startswith(variable)]
    assert printed[: len(expected)] == expected


def structure(text: str) -> dict[str, list[str]]:
    """Return what a translation leaves as it is: levels of headings, code without comments, and targets of links.

    The Korean page of a subject counts as the English one; either README begins with a link to the other.
    """
    code = re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return {
        "headings": re.findall(r"^(#+) ", prose, re.MULTILINE),
        "code": [re.sub(r" *# .*", "", block) for block in code],
        "links": [target.replace("docs/ko/", "docs/") for target in re.findall(r"\]\((.*?)\)", prose)][1:],
        "rows": re.findall(r"^\|", prose, re.MULTILINE),
    }


@pytest.mark.parametrize("part", ["headings", "code", "links", "rows"])
def test_both_languages_have_the_same_structure(part: str) -> None:
    """What one README offers, the other does too, in the same order."""
    assert structure(KOREAN)[part] == structure(README)[part]
    assert structure(README)[part]
