"""The error family: its documented tree and its shared helpers."""

import inspect

import pytest

from coin_pipeline import errors


def test_docstring_tree_matches_class_hierarchy() -> None:
    """Every class is in the tree of the docstring, one level below its parent."""
    depth = {
        line.lstrip("│├└─ ").split()[0]: (len(line) - len(line.lstrip("│├└─ "))) // 4
        for line in inspect.getdoc(errors).splitlines()
        if line.startswith("CoinError") or "── " in line
    }
    classes = {
        name: member
        for name, member in vars(errors).items()
        if inspect.isclass(member) and issubclass(member, errors.CoinError)
    }
    assert set(depth) == set(classes)
    for name, member in classes.items():
        assert depth[name] == len(member.__mro__) - len(errors.CoinError.__mro__)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("CandlesNotFound", errors.CandlesNotFound), (None, errors.CoinError), ("Problem", errors.CoinError)],
)
def test_error_class_finds_only_classes_of_the_family(name: str | None, expected: type) -> None:
    """An unknown name yields the base class."""
    assert errors.error_class(name) is expected


def test_the_verb_fits_what_depends_on_later_candles() -> None:
    """Entries and exits are many, a hold is one."""
    assert "its entries at bar 3 (the candle of noon) depend on" in str(errors.LookAhead("entries", 3, "noon", 4))
    assert "its hold at bar 3 (the candle of noon) depends on" in str(errors.LookAhead("hold", 3, "noon", 4))
    assert "its hold at bar 3 (the candle of noon) differs from" in str(errors.NotDeterministic("hold", 3, "noon"))


def test_closest_name_is_suggested() -> None:
    """A typo in a strategy name suggests the registered name."""
    error = errors.UnknownStrategy("volume_zone_breakut", ["volume_long_candle", "volume_zone_breakout"])
    assert "did you mean 'volume_zone_breakout'?" in str(error)
