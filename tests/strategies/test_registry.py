"""Strategies by name, their params, and custom strategy files."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin_pipeline.errors import InvalidParams, InvalidStrategyFile, UnknownStrategy
from coin_pipeline.strategies.loader import run_strategy
from coin_pipeline.strategies.registry import describe_strategy, load_registry
from tests.engine.candles import random_bars

SMA_CROSS = '''
import pandas as pd
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams


class SmaCross(Strategy):
    """Be in the market while a fast average of closes is above a slow one."""

    name = "sma_cross"

    class Params(StrategyParams):
        fast: int = Field(10, ge=1, le=500)
        slow: int = Field(30, ge=2, le=500)

    def signals(self, bars: Bars, params: Params) -> Signals:
        close = pd.Series(bars.close)
        above = close.rolling(params.fast).mean() > close.rolling(params.slow).mean()
        return Signals(above & ~above.shift(1, fill_value=False), exits=~above)
'''
HEAD = "from coin_pipeline.strategies import *\nfrom pydantic import model_validator\n"
STUB = "    def signals(self, bars, params): return Signals(bars.close > 0)\n"


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    """Write a strategy file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(name: str, params: dict[str, Any], *files: Path) -> dict[str, str]:
    """Return the message for each rejected field."""
    with pytest.raises(InvalidParams) as caught:
        load_registry(files).resolve(name, params)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_built_in_strategies_are_registered() -> None:
    """An unknown name gets a suggestion."""
    registry = load_registry()
    assert {"volume_long_candle", "volume_zone_breakout"} <= set(registry.names())
    with pytest.raises(UnknownStrategy, match="did you mean 'volume_zone_breakout'"):
        registry.get("volume_zone_brakout")


def test_params_are_resolved_with_their_defaults() -> None:
    """Missing values are filled in, and an integer is accepted for a float."""
    params = load_registry().resolve("volume_long_candle", {"vol_multiplier": 2})
    assert params.model_dump() == {
        "vol_ma_window": 20,
        "vol_multiplier": 2.0,
        "body_pct": 0.02,
        "hold_period_bars": 1,
    }
    assert type(params.model_dump()["vol_multiplier"]) is float


@pytest.mark.parametrize(
    ("params", "field", "message"),
    [
        (
            {"volume_window": "10"},
            "volume_window",
            "input should be a valid integer, not '10'; expected an integer >= 1",
        ),
        ({"volume_window": True}, "volume_window", "input should be a valid integer, not True"),
        ({"volume_window": 10.0}, "volume_window", "input should be a valid integer, not 10.0"),
        ({"volume_window": 501}, "volume_window", "not 501; expected an integer >= 1 and <= 500 (default 10)"),
        ({"volume_window": 0}, "volume_window", "greater than or equal to 1, not 0"),
        ({"volume_window": None}, "volume_window", "not None"),
        ({"top_percentile": 0}, "top_percentile", "not 0; expected a number > 0 and <= 1 (default 0.2)"),
        ({"top_percentile": True}, "top_percentile", "not True"),
        ({"top_percentile": float("nan")}, "top_percentile", "not nan"),
        ({"breakout_buffer": float("inf")}, "breakout_buffer", "not inf"),
        ({"breakout_buffer": -0.1}, "breakout_buffer", "greater than or equal to 0, not -0.1"),
        ({"num_bins": 201}, "num_bins", "<= 200"),
        ({"include_wicks": 1}, "include_wicks", "not 1; expected true or false (default True)"),
        (
            {"num_bin": 20},
            "num_bin",
            "is not a parameter (did you mean 'num_bins'?); the parameters are volume_window, ",
        ),
    ],
)
def test_invalid_param_is_reported_with_its_range(params: dict[str, Any], field: str, message: str) -> None:
    """The field, the value and the accepted range are in the message."""
    messages = problems("volume_zone_breakout", params)
    assert list(messages) == [f"params.{field}"]
    assert message in messages[f"params.{field}"]


def test_all_invalid_params_are_reported() -> None:
    """Two mistakes give two problems."""
    assert set(problems("volume_long_candle", {"body_pct": 2, "x": 1})) == {"params.body_pct", "params.x"}


def test_unprintable_name_is_reported_in_ascii() -> None:
    """A lone surrogate in a key is escaped to text that any encoding supports."""
    field = next(iter(problems("volume_long_candle", {"\ud800" * 200: 1})))
    assert len(field.encode()) <= 87


def test_description_is_sufficient_for_a_form() -> None:
    """Name, text, ranges, defaults and warm-up are plain JSON."""
    description = describe_strategy(load_registry().get("volume_zone_breakout"))
    assert description["name"] == "volume_zone_breakout"
    assert description["description"].startswith("Buy when the price breaks above")
    assert description["warm_up_bars"] == 10
    window = description["params"]["properties"]["volume_window"]
    assert (window["type"], window["minimum"], window["maximum"], window["default"]) == ("integer", 1, 500, 10)
    assert description["params"]["additionalProperties"] is False


def test_strategy_file_adds_a_strategy(tmp_path: Path) -> None:
    """A dozen lines of pandas run like a built-in strategy."""
    registry = load_registry([write(tmp_path, SMA_CROSS)])
    params = registry.resolve("sma_cross", {"fast": 3, "slow": 9})
    signals = run_strategy(registry.get("sma_cross"), random_bars(300, 1), params, "BTC_KRW")
    assert signals.entries.sum() > 5
    assert np.logical_not(signals.entries & signals.exits).all()
    assert describe_strategy(registry.get("sma_cross"))["warm_up_bars"] == 0


def test_edited_file_is_read_again(tmp_path: Path) -> None:
    """A file changed within the same second and to the same length is not loaded from a cache."""
    for text in ("first", "other"):
        path = write(tmp_path, SMA_CROSS.replace("Be in the market", text))
        assert describe_strategy(load_registry([path]).get("sma_cross"))["description"].startswith(text)
    assert list(tmp_path.iterdir()) == [path]


def test_file_may_define_several_strategies(tmp_path: Path) -> None:
    """Every concrete class counts; imported and abstract ones do not."""
    text = (
        HEAD + f"class Base(Strategy):\n    pass\nclass A(Base):\n    name = 'a'\n{STUB}class B(A):\n    name = 'b'\n"
    )
    assert {"a", "b"} <= set(load_registry([write(tmp_path, text)]).names())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\ny = 1 / 0\n", "line 2 of mine.py: ZeroDivisionError: division by zero"),
        ("x = 1\n\nif x\n", "line 3 of mine.py: SyntaxError"),
        ("import no_such_module\n", "line 1 of mine.py: ModuleNotFoundError"),
        ("import sys\nsys.exit(0)\n", "line 2 of mine.py: SystemExit"),
        ("x = 1\n", "defines no subclass of Strategy with a signals method"),
        (HEAD + "class A(Strategy):\n    name = 'a'\n", "defines no subclass of Strategy with a signals method"),
        (HEAD + f"class A(Strategy):\n{STUB}", "A needs a name of lower-case letters, digits and _, not None"),
        (HEAD + f"class A(Strategy):\n    name = '../a'\n{STUB}", "A needs a name of lower-case letters"),
        (HEAD + f"class A(Strategy):\n    name = 'volume_long_candle'\n{STUB}", "'volume_long_candle' is taken"),
        (
            HEAD + f"class A(Strategy):\n    name = 'a'\n    class Params(StrategyParams):\n        n: int\n{STUB}",
            "A.Params has no valid defaults: n: Field required",
        ),
        (
            HEAD + f"class A(Strategy):\n    name = 'a'\n    class Params(StrategyParams):\n"
            f"        n: int = Field(0, ge=1)\n{STUB}",
            "A.Params has no valid defaults: n: Input should be greater than or equal to 1",
        ),
        (
            HEAD + f"class A(Strategy):\n    name = 'a'\n{STUB}    def warm_up_bars(self, params): return params.n\n",
            "A does not work with default params: line 6 of mine.py: AttributeError",
        ),
        (
            HEAD + f"class A(Strategy):\n    name = 'a'\n{STUB}    def warm_up_bars(self, params): return -5\n",
            "warm_up_bars() returned -5, expected a number of bars: an integer of 0 or more",
        ),
    ],
)
def test_unusable_file_is_reported_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    """The path, the line and the reason are in the message."""
    path = write(tmp_path, text)
    with pytest.raises(InvalidStrategyFile) as caught:
        load_registry([path])
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_error_of_a_relative_path_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is reported for any notation of the path."""
    text = HEAD + f"class A(Strategy):\n    name = 'a'\n{STUB}    def warm_up_bars(self, params): return 1 // 0\n"
    monkeypatch.chdir(write(tmp_path, text).parent)
    with pytest.raises(InvalidStrategyFile, match=r"mine\.py: A does .*: line 6 of mine\.py: ZeroDivisionError"):
        load_registry([Path("mine.py")])


def test_missing_file_is_reported(tmp_path: Path) -> None:
    """A path that does not exist is rejected before anything runs."""
    with pytest.raises(InvalidStrategyFile, match=r"nowhere\.py: is not a file"):
        load_registry([tmp_path / "nowhere.py"])


def test_failed_import_leaves_no_module_behind(tmp_path: Path) -> None:
    """A module whose import failed is not in sys.modules."""
    before = set(sys.modules)
    with pytest.raises(InvalidStrategyFile):
        load_registry([write(tmp_path, "1 / 0")])
    assert {name for name in set(sys.modules) - before if name.startswith("coin_strategy_file")} == set()


def test_model_validator_message_is_reported(tmp_path: Path) -> None:
    """The message of a validator over several params is passed on."""
    text = HEAD + "class A(Strategy):\n    name = 'a'\n    class Params(StrategyParams):\n        n: int = 1\n"
    text += "        @model_validator(mode='after')\n        def check(self):\n"
    text += "            if self.n > 5: raise ValueError('n is odd')\n            return self\n" + STUB
    assert problems("a", {"n": 6}, write(tmp_path, text)) == {"params": "n is odd"}


def test_strategy_api_imports_neither_numba_nor_pandas() -> None:
    """Importing what a strategy file needs stays cheap."""
    code = "import sys, coin_pipeline.strategies; print(sorted({'numba', 'pandas', 'dagster'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "attribute", "reason"),
    [
        ("others_good", "SmaCross", None),
        ("others_pandas", "pd", "others_pandas:pd: is not a subclass of Strategy"),
        ("others_old", "Missing", "others_old:Missing: AttributeError"),
    ],
)
def test_installed_package_adds_a_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, attribute: str, reason: str | None
) -> None:
    """Entry points of other packages are loaded, and one that fails is reported."""
    write(tmp_path, SMA_CROSS, f"{module}.py")
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    write(info, "Metadata-Version: 2.1\nName: others\nVersion: 1.0\n", "METADATA")
    write(info, f"[coin_pipeline.strategies]\nsma_cross = {module}:{attribute}\n", "entry_points.txt")
    monkeypatch.syspath_prepend(tmp_path)
    if reason is None:
        assert "sma_cross" in load_registry().names()
    else:
        with pytest.raises(InvalidStrategyFile, match=reason):
            load_registry()
