"""Decisions of many points as bit-packed rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.engine.bars import Bools
from coin_pipeline.engine.execution import ExitRule
from coin_pipeline.engine.signal_rows import SignalRows, distinct_rows, evaluate_rows, pack, unpack
from coin_pipeline.engine.signals import Signals


def random_table(rows: int, n: int) -> Bools:
    """Return random boolean rows, a third of them True."""
    return np.random.default_rng(rows + n).random((rows, n)) < 1 / 3


@given(st.lists(st.booleans(), max_size=200))
def test_bit_i_of_word_w_is_bar_64_w_plus_i(row: list[bool]) -> None:
    """Read as one long integer, the words have exactly the bits of the bars."""
    words = pack(np.array(row, bool))
    number = sum(int(word) << 64 * w for w, word in enumerate(words))
    assert number == sum(1 << bar for bar, is_set in enumerate(row) if is_set)
    assert len(words) == -(-len(row) // 64)
    assert unpack(words, len(row)).tolist() == row


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 200])
def test_table_is_packed_row_by_row(n: int) -> None:
    """Packing a table equals packing each of its rows."""
    table = random_table(5, n)
    assert np.array_equal(pack(table), np.array([pack(row) for row in table]))
    assert np.array_equal(unpack(pack(table), n), table)


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_evaluated_in_blocks_equal_the_table(workers: int) -> None:
    """Functions with one row and with many rows, whose bars need several blocks, fill one table."""
    table, blocks = random_table(3001, 5000), []

    def rows_from(first: int, start: int, block: Bools) -> None:
        blocks.append(block.shape)
        assert not block.any()
        block[:] = table[first : first + len(block), start : start + block.shape[1]]

    decides = [(3000, lambda start, block: rows_from(0, start, block)), (1, lambda *given: rows_from(3000, *given))]
    assert np.array_equal(evaluate_rows(5000, decides, workers), pack(table))
    assert sorted(blocks) == [(1, 5000), (3000, 904), (3000, 2048), (3000, 2048)]
    assert evaluate_rows(5000, [], workers).shape == (0, 79)


@pytest.mark.parametrize("workers", [1, 2])
def test_exceptions_of_row_functions_propagate(workers: int) -> None:
    """No row is silently left undecided."""
    with pytest.raises(ZeroDivisionError):
        evaluate_rows(10, [(1, lambda start, _: start // 0)] * 2, workers)


def test_distinct_rows_are_sorted_and_indexed() -> None:
    """Each row is at its index among the distinct ones, which are ordered by the first column, then the second."""
    columns, index = distinct_rows([np.array([3, 1, 3, 1, 1]), np.array([0.5, 0.2, 0.5, 0.1, 0.2])])
    assert columns == [[1, 1, 3], [0.1, 0.2, 0.5]]
    assert (index.tolist(), index.dtype) == ([2, 1, 2, 0, 1], np.int64)


def test_point_is_the_conjunction_of_its_rows() -> None:
    """Entries are set where all factors are, and exits come from the point's rule."""
    rows_a, rows_b, exits = random_table(3, 100), random_table(4, 100), random_table(1, 100)[0]
    rules = (ExitRule(hold=7), ExitRule(signals=exits))
    index = np.array([[0, 3], [2, 0], [2, 1]])
    rows = SignalRows(100, (pack(rows_a), pack(rows_b)), index, rules, np.array([0, 1, 0]))
    assert rows.points == 3
    first, second = rows.signals(0), rows.signals(1)
    assert np.array_equal(first.entries, rows_a[0] & rows_b[3])
    assert (first.exits, first.hold) == (None, 7)
    assert np.array_equal(second.entries, rows_a[2] & rows_b[0])
    assert np.array_equal(second.exits, exits)
    assert second.hold is None


def test_packed_signals_round_trip() -> None:
    """Every point is unchanged; equal holds and exits share a rule, and None differs from all-False exits."""
    entries, (exits, never) = random_table(6, 70), (random_table(1, 70)[0], np.zeros(70, bool))
    given = [
        Signals(row, *rule)
        for row, rule in zip(
            entries, [(None, 3), (exits, None), (exits.copy(), None), (None, 3), (never, 3), (None, None)], strict=True
        )
    ]
    rows = SignalRows.of(given)
    assert rows.rule.tolist() == [0, 1, 1, 0, 2, 3]
    for k, signals in enumerate(given):
        unpacked = rows.signals(k)
        assert np.array_equal(unpacked.entries, signals.entries)
        assert unpacked.hold == signals.hold
        assert (unpacked.exits is None) == (signals.exits is None)
        assert signals.exits is None or np.array_equal(unpacked.exits, signals.exits)


@pytest.mark.parametrize(
    ("lengths", "message"), [([], "got no signals"), ([70, 80], r"got \[70, 80\]"), ([70, 130], r"got \[70, 130\]")]
)
def test_signals_of_different_lengths_are_rejected(lengths: list[int], message: str) -> None:
    """This applies even if they need the same number of words."""
    with pytest.raises(ValueError, match=message):
        SignalRows.of(Signals(np.zeros(n, bool)) for n in lengths)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 129}, r"a factor on 129 bars must have shape \(rows, 3\), not \(2, 2\)"),
        ({"n": 99}, "a factor on 99 bars has bits set after the last bar"),
        ({"factors": (np.zeros(2, np.uint64),)}, r"must have shape \(rows, 2\), not \(2,\)"),
        ({"factors": (np.zeros((2, 2)),)}, "must be a C-contiguous array of uint64, not float64"),
        ({"factors": (np.zeros((4, 2), np.uint64)[::2],)}, "must be a C-contiguous array of uint64"),
        ({"factors": ()}, r"index must have shape \(3, 0\), not \(3, 1\)"),
        ({"index": np.array([[0], [1]])}, r"index must have shape \(3, 1\), not \(2, 1\)"),
        ({"index": np.array([[0], [1], [2]])}, r"index\[:, 0\] must be in 0..1, not 2"),
        ({"index": np.array([[0], [-1], [1]])}, r"index\[:, 0\] must be in 0..1, not -1"),
        ({"index": np.zeros((3, 1))}, r"index\[:, 0\] must be an array of int64, not float64"),
        ({"rule": np.array([0, 0, 1])}, "rule must be in 0..0, not 1"),
        ({"rule": np.zeros(3, bool)}, "rule must be an array of int64, not bool"),
        ({"rules": (ExitRule(signals=np.zeros(99, bool)),)}, r"must have shape \(100,\), not \(99,\)"),
    ],
)
def test_inconsistent_rows_are_rejected(changed: dict[str, Any], message: str) -> None:
    """Shapes, dtypes and indices are checked before kernels rely on them."""
    fitting = {
        "n": 100,
        "factors": (pack(np.ones((2, 100), bool)),),
        "index": np.array([[0], [1], [1]]),
        "rules": (ExitRule(hold=1),),
        "rule": np.array([0, 0, 0]),
    }
    assert SignalRows(**fitting).factors[0].flags.writeable is False
    with pytest.raises(ValueError, match=message):
        SignalRows(**(fitting | changed))
