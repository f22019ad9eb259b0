"""Machine code for a generic x86-64-v3 CPU gives the same decisions as that for the host CPU."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coin_pipeline.strategies.registry import load_registry
from tests.engine.candles import random_bars

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}
POINTS = {
    "volume_long_candle": [{"body_pct": 0.003}, {"body_pct": 0.001, "vol_ma_window": 333, "vol_multiplier": 1.0}],
    "volume_zone_breakout": [{}, {"volume_window": 77, "num_bins": 7}, {"breakout_buffer": 0.001, "volume_window": 3}],
}


def digest() -> str:
    """Return a digest of the decisions of both strategies on a few thousand bars with fractional prices."""
    rows, bars, registry = [], random_bars(5000, seed=6), load_registry()
    scaled = type(bars)(bars.time, *(np.exp(np.log1p(getattr(bars, name))) for name in bars.__slots__[1:]))
    for name, points in POINTS.items():
        params = [registry.resolve(name, point) for point in points]
        rows += [registry.get(name).signals(scaled, point).entries for point in params]
    assert all(50 < row.sum() < 4950 for row in rows)
    return hashlib.sha256(np.concatenate(rows)).hexdigest()


@pytest.mark.skipif(platform.machine().lower() not in {"x86_64", "amd64"}, reason="x86-64-v3 is another machine's code")
def test_entries_are_bit_identical_on_a_generic_cpu(tmp_path: Path) -> None:
    """A process that compiles both strategies for the generic CPU gives the same entries."""
    code = "from tests.strategies.test_same_bits import digest; import numba; print(numba.config.CPU_NAME, digest())"
    environment = {**os.environ, **PLAIN, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [PLAIN["NUMBA_CPU_NAME"], digest()]
