"""The error family."""

import inspect

import pytest

from coin_pipeline import errors


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    """Each class stands in the drawn tree, one level below its parent."""
    depth = {
        line.lstrip("│├└─ ").split()[0]: (len(line) - len(line.lstrip("│├└─ "))) // 4
        for line in inspect.getdoc(errors).splitlines()
        if line.startswith("CoinError") or "── " in line
    }
    classes = {
        name: found
        for name, found in vars(errors).items()
        if inspect.isclass(found) and issubclass(found, errors.CoinError)
    }
    assert set(depth) == set(classes)
    for name, found in classes.items():
        assert depth[name] == len(found.__mro__) - len(errors.CoinError.__mro__)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("CandlesNotFound", errors.CandlesNotFound), (None, errors.CoinError), ("Problem", errors.CoinError)],
)
def test_class_named_finds_classes_of_the_family_only(name: str | None, expected: type) -> None:
    """A name that is no error of ours stands for the base class."""
    assert errors.error_class(name) is expected


def test_nearest_name_is_offered() -> None:
    """A typo in a strategy's name is answered with the name that was meant."""
    error = errors.UnknownStrategy("volume_zone_breakut", ["volume_long_candle", "volume_zone_breakout"])
    assert "did you mean 'volume_zone_breakout'?" in str(error)
