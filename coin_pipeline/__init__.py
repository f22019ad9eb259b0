"""Crypto backtests orchestrated by Dagster: every run recorded, reproducible and honestly costed."""

__version__ = "0.1.0"
