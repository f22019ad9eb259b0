"""Indices of the True values of a long column of decisions."""

import numpy as np

from coin_pipeline.engine.bars import Bools, Ints, read_only
from coin_pipeline.engine.kernel import kernel

_CHUNK_WORDS = 4096  # words of eight booleans


def true_indices(decisions: Bools) -> Ints:
    """Return the indices of True values, ascending: ``np.flatnonzero``, but two to three times as fast."""
    count = int(np.count_nonzero(decisions))
    indices = np.empty(count + 1, np.int64)  # False values are written too, then overwritten by the next value
    _write_true_indices(read_only(decisions), indices)
    return indices[:count]


@kernel
def _write_true_indices(decisions: Bools, indices: Ints) -> None:
    """Write the indices of True values, after finding the words of eight that contain any.

    The loops are branch-free: with rare decisions, the branch predictor would miss at each of them. Indices are
    unsigned because Python's negative ones take several instructions.
    """
    flags, nonzero = decisions.view(np.uint8), np.empty(_CHUNK_WORDS + 1, np.uint64)
    words = decisions[: len(decisions) // 8 * 8].view(np.uint64)
    count, bits = np.uint64(0), np.uint64(8)
    for start in range(0, len(words), _CHUNK_WORDS):
        chunk, nonzero_count = words[start : start + _CHUNK_WORDS], np.uint64(0)
        for word in range(len(chunk)):
            nonzero[nonzero_count] = start + word
            nonzero_count += np.uint64(chunk[word] != 0)
        for word in nonzero[:nonzero_count]:
            for bit in range(bits):
                bar = word * bits + bit
                indices[count] = bar
                count += np.uint64(flags[bar])
    for bar in range(8 * len(words), len(decisions)):
        indices[count] = bar
        count += np.uint64(flags[bar])
