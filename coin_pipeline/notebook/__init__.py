"""Backtests and sweeps from Python, in this process: behind `import coin_pipeline as cp`. No Dagster, no database."""
