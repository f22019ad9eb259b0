"""The commands on presets, on the session's own database."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import BuiltInPreset, InvalidParams, InvalidSpec, PresetNotFound
from tests.conftest import store_candles

RANGE = ("--start", "2024-01-01", "--end", "2024-12-31")


def invoke(*arguments: str) -> str:
    """Run a command in this process, and return what it prints; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False).output


def test_save_show_list_rename_and_delete() -> None:
    """A preset lives until it is deleted; JSON has the fields of the API."""
    saved = invoke("presets", "save", "cli weekly", "volume_zone_breakout", "--param", "volume_window=7")
    assert "volume_zone_breakout volume_window=7" in saved
    shown = json.loads(invoke("presets", "show", "cli weekly", "--json"))
    assert (shown["params"], shown["built_in"]) == ({"volume_window": 7}, False)
    assert shown in json.loads(invoke("presets", "list", "--json"))
    assert "balanced  (built in)" in invoke("presets", "list")
    assert "is now cli monthly" in invoke("presets", "rename", "cli weekly", "cli monthly")
    assert "is deleted" in invoke("presets", "delete", "cli monthly")
    with pytest.raises(PresetNotFound):
        invoke("presets", "show", "cli weekly")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("show", "balancd"), PresetNotFound),
        (("delete", "balanced"), BuiltInPreset),
        (("rename", "balanced", "mine"), BuiltInPreset),
        (("save", "x", "volume_zone_breakout", "--param", "volume_window=0"), InvalidParams),
        (("save", "a/b", "volume_zone_breakout"), InvalidSpec),
    ],
)
def test_errors(arguments: tuple[str, ...], error: type[Exception]) -> None:
    """Each is one of the family, which `coin` prints in one line."""
    with pytest.raises(error):
        invoke("presets", *arguments)


def test_backtest_with_a_preset(data_root: Path) -> None:
    """The strategy and the parameters are those of the preset, but --param changes some."""
    store_candles(data_root)
    text = invoke("backtest", "--preset", "aggressive", "AAA_KRW", *RANGE, "--param", "volume_window=12", "--json")
    document = json.loads(text)
    assert document["strategy"] == "volume_zone_breakout"
    assert document["params"].items() >= {"volume_window": 12, "top_percentile": 0.3}.items()


def test_backtest_without_symbols_names_the_field() -> None:
    """One name is the strategy, so the symbols are what is missing."""
    with pytest.raises(InvalidSpec, match="symbols"):
        invoke("backtest", "volume_zone_breakout", *RANGE)
