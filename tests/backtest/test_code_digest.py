"""Digests of a result's code: found without running it, changed only by what it does."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coin_pipeline
from coin_pipeline.backtest.code_digest import SourceDigests, source_digests
from coin_pipeline.backtest.source_file import _parse
from coin_pipeline.errors import InvalidStrategyFile
from coin_pipeline.strategies.loader import load_strategies
from tests.strategy_files import FILES, HELPER, OWN, as_new_process, edit, write

MANY = {
    "own.py": OWN.replace(
        "class Helped",
        """
import importlib, importlib.util, pandas
from helped.zones import deep
from pathlib import Path
named = importlib.import_module("helped_named")
spec = importlib.util.spec_from_file_location("other_name", Path(__file__).with_name("helped_by_path.py"))
spec.loader.exec_module(importlib.util.module_from_spec(spec))
data = Path(__file__).with_name("levels.csv").read_text()

class Helped""",
    ).replace("return Signals", "import helped_late\n        return Signals"),
    "helped_levels.py": HELPER,
    "helped/__init__.py": "FIRST = 1\n",
    "helped/zones.py": "from . import depths\ndef deep(bars): return depths.DEPTH + 1\n",
    "helped/depths.py": "DEPTH = 1\n",
    "helped_named.py": "NAMED = 1\n",
    "helped_by_path.py": "BY_PATH = 1\n",
    "helped_late.py": "raise SystemExit(1)  # never executed\n",
    "levels.csv": "level,1\n",
    "unrelated.py": "UNRELATED = 1\n",
}
EDITS = {"own.py": ("hold=2", "hold=3"), "helped_levels.py": (">", ">=")}


@pytest.fixture(autouse=True)
def _nothing_stays_imported() -> Iterator[None]:
    with as_new_process():
        yield


def closure_of(file: Path) -> SourceDigests:
    """Load a strategy file and follow its imports."""
    (strategy,) = load_strategies(file)
    return source_digests(strategy())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("own.py", "# none", "# another comment"),
        ("own.py", '"""Uses a helper module."""', '"""Asks another."""\n'),
        (
            "own.py",
            "Signals(level(bars), hold=2)",
            "Signals(\n            (level(bars)),\n            hold=2,\n        )",
        ),
        ("helped_levels.py", "  # a rise", ""),
        ("helped_levels.py", '"""Return the level."""', "# no docstring"),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(tmp_path: Path, name: str, old: str, new: str) -> None:
    """Text that is not executed does not change the digest."""
    file = write(tmp_path, {**FILES, "own.py": OWN + "# none\n"})
    before = closure_of(file)
    edit(tmp_path / name, old, new)
    assert closure_of(file) == before


@pytest.mark.parametrize("name", [name for name in MANY if name != "unrelated.py"])
def test_every_file_that_is_used_counts(tmp_path: Path, name: str) -> None:
    """Helpers, packages, relative and late imports, modules loaded by name or by path, and data."""
    file = write(tmp_path, MANY)
    before = closure_of(file).modules
    edit(tmp_path / name, *EDITS.get(name, ("1", "2")))
    after = closure_of(file).modules
    (changed,) = (module for module in after if before.get(module) != after[module])
    assert changed in {name, name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")}
    assert before.keys() == after.keys()


def test_what_is_not_used_does_not_count(tmp_path: Path) -> None:
    """An unrelated file next to the strategy changes nothing."""
    file = write(tmp_path, MANY)
    before = closure_of(file)
    edit(tmp_path / "unrelated.py", "1", "2")
    assert closure_of(file) == before


def test_names_do_not_depend_on_the_folder(tmp_path: Path) -> None:
    """The same files elsewhere have the same names and digests."""
    found = []
    for folder in (tmp_path / "here", tmp_path / "there/below"):
        with as_new_process():
            found.append(closure_of(write(folder, MANY)))
    assert found[0] == found[1]
    assert str(tmp_path) not in str(found[0])


def test_engine_and_assembly_count_and_other_strategies_do_not(tmp_path: Path) -> None:
    """Every module of the engine, the code that assembles a result, and their imports."""
    modules = closure_of(write(tmp_path, FILES)).modules
    engine = Path(coin_pipeline.__path__[0], "engine")
    expected = {f"coin_pipeline.engine.{file.stem}" for file in engine.glob("[!_]*.py")}
    assert expected | {"coin_pipeline.backtest.runner", "coin_pipeline.backtest.document", "own.py"} <= set(modules)
    assert not {"coin_pipeline.strategies.builtin.volume_long_candle", "coin_pipeline.strategies.registry"} & set(
        modules
    )
    assert not [name for name in modules if name.partition(".")[0] in {"numpy", "pandas", "ast", "pydantic"}]


def test_packages_that_a_strategy_imports_are_versioned(tmp_path: Path) -> None:
    """Their versions are recorded instead of their code. Packages that only the project imports are not listed."""
    assert set(closure_of(write(tmp_path, MANY)).packages) == {"numpy", "pandas"}


def test_the_package_of_an_installed_strategy_counts(tmp_path: Path) -> None:
    """A strategy from site-packages brings its own package; its neighbours there are other packages."""
    site = tmp_path / "site-packages"
    rule = OWN.replace("from helped_levels", "import helped_neighbour\nfrom .levels")
    write(site, {"helped_pack/__init__.py": "", "helped_pack/rule.py": rule, "helped_pack/levels.py": HELPER})
    write(site, {"helped_neighbour.py": "N = 1\n"})
    sys.path.append(str(site))
    from helped_pack.rule import Helped  # type: ignore[import-not-found] # noqa: PLC0415 -- it was just written

    found = source_digests(Helped())
    assert {"helped_pack", "helped_pack.rule", "helped_pack.levels"} <= set(found.modules)
    assert "helped_neighbour" not in found.modules
    assert found.packages["helped_neighbour"] == "unknown"


def test_a_helper_that_another_one_hides_is_refused(tmp_path: Path) -> None:
    """Of two helpers with the same name, the second strategy would silently import the first."""
    first, second = (write(tmp_path / name, FILES) for name in ("first", "second"))
    closure_of(first)
    with pytest.raises(InvalidStrategyFile, match=r"imports helped_levels, which is .*first.*; rename helped_levels"):
        closure_of(second)


def test_syntax_errors_of_helpers_name_the_file(tmp_path: Path) -> None:
    """The error names the file and the line of the syntax error."""
    file = write(tmp_path, FILES)
    closure_of(file)
    (tmp_path / "helped_levels.py").write_text("def level(:\n")
    (strategy,) = load_strategies(file)
    with pytest.raises(InvalidStrategyFile, match=r"helped_levels\.py: is not valid Python: .*line 1"):
        source_digests(strategy())


@pytest.mark.parametrize(
    "name", ["engine/account.py", "candles/validation.py", "strategies/builtin/volume_zone_breakout.py"]
)
def test_layout_never_counts(name: str) -> None:
    """A module regenerated from its syntax tree, without comments, keeps its digest."""
    text = Path(coin_pipeline.__path__[0], name).read_bytes()
    assert _parse(ast.unparse(ast.parse(text)).encode()).digest == _parse(text).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = True"),
        ("x = 1", "x = 1.0"),
        ("x = 'a'", "x = b'a'"),
        ("f(a, b)", "f(a)(b)"),
        ("x = a - b - c", "x = a - (b - c)"),
        ("if a:\n  b\nc", "if a:\n  b\n  c"),
        ("x[1:]", "x[:1]"),
        ("x = None", "x: None"),
        ("x = 'idle'", "'idle'"),
    ],
)
def test_different_code_has_different_digests(one: str, other: str) -> None:
    """Values, types and structure all count."""
    assert _parse(one.encode()).digest != _parse(other.encode()).digest
