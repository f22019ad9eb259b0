"""JSON text of documents with rows that are encoded column by column."""

import json

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coin_pipeline.backtest.json_text import Rows, document_text, encode_column, json_text

VALUES = {
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=8),
    pa.dictionary(pa.int32(), pa.string()): st.sampled_from(["hold", 'a "quoted" text', "é\n"]),
}
NAMES = st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True)


@st.composite
def columns(draw: st.DrawFn) -> pa.Table:
    """Draw columns of any type, with nulls, and texts with separators and escapes."""
    length = draw(st.integers(0, 4))
    drawn = {}
    for name in draw(NAMES):
        kind = draw(st.sampled_from([*VALUES]))
        drawn[name] = pa.array(draw(st.lists(st.none() | VALUES[kind], min_size=length, max_size=length)), kind)
    return pa.table(drawn)


@given(floats=st.lists(VALUES[pa.float64()]))
@example(floats=[1e-4, 1e10, 9_999_999_999.5, -0.0, 1e-10, 9.9e-11, 1e-100, 5e-324])
def test_floats_are_written_as_python_writes_them(floats: list[float]) -> None:
    """Digests of results are of this text."""
    assert encode_column(pa.array(floats, pa.float64())).to_pylist() == [*map(json.dumps, floats)]


@given(first=columns(), second=columns(), sort_keys=st.booleans())
def test_the_text_is_that_of_plain_lists(*, first: pa.Table, second: pa.Table, sort_keys: bool) -> None:
    """Rows are in every place in which a document has them."""
    document = {"symbols": [{"symbol": "A", "signals": Rows(first)}], "account": {"performance_curve": Rows(second)}}
    plain = {
        "symbols": [{"symbol": "A", "signals": list(document["symbols"][0]["signals"])}],
        "account": {"performance_curve": list(document["account"]["performance_curve"])},
    }
    assert document_text(document, sort_keys=sort_keys) == json_text(plain, sort_keys=sort_keys)


def test_rows_are_lists_of_objects() -> None:
    """A notebook prints and compares them, and any encoder writes them."""
    rows = Rows(pa.table({"a": [1, 2], "b": ["x", None]}))
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert json.loads(json.dumps(rows)) == rows


def test_numbers_that_json_does_not_have_are_refused() -> None:
    """As in any other part of a document."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        document_text({"account": {"performance_curve": Rows(pa.table({"equity": [float("nan")]}))}})
