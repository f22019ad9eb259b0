"""Adapter for vectorbt with its kernels in Rust where it has them, otherwise in numba."""

import vectorbt

from benchmarks.engines.vectorbt import one_strategy, one_strategy_given, shared_account, sweep, sweep_given

__all__ = ["PACKAGES", "one_strategy", "one_strategy_given", "shared_account", "sweep", "sweep_given"]

vectorbt.settings["engine"] = "auto"
PACKAGES = ("vectorbt", "vectorbt-rust", "numba", "numpy", "pandas")
