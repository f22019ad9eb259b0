"""JSON text of documents with rows that are encoded column by column."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.backtest.json_text import Rows, document_text, json_text

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
NAMES = st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True)


@st.composite
def columns(draw: st.DrawFn) -> dict[str, list[object]]:
    """Draw columns of any scalars, as text that contains separators, escapes and percent signs."""
    length = draw(st.integers(0, 4))
    return {name: draw(st.lists(SCALARS, min_size=length, max_size=length)) for name in draw(NAMES)}


@given(first=columns(), second=columns(), sort_keys=st.booleans())
def test_the_text_is_that_of_plain_lists(
    *, first: dict[str, list[object]], second: dict[str, list[object]], sort_keys: bool
) -> None:
    """Rows are in every place in which a document has them."""
    document = {"symbols": [{"symbol": "A", "signals": Rows(first)}], "account": {"performance_curve": Rows(second)}}
    plain = {
        "symbols": [{"symbol": "A", "signals": list(document["symbols"][0]["signals"])}],
        "account": {"performance_curve": list(document["account"]["performance_curve"])},
    }
    assert document_text(document, sort_keys=sort_keys) == json_text(plain, sort_keys=sort_keys)


def test_rows_are_lists_of_objects() -> None:
    """A notebook prints and compares them, and any encoder writes them."""
    rows = Rows({"a": [1, 2], "b": ["x", None]})
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert json.loads(json.dumps(rows)) == rows


def test_numbers_that_json_does_not_have_are_refused() -> None:
    """As in any other part of a document."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        document_text({"account": {"performance_curve": Rows({"equity": [float("nan")]})}})
