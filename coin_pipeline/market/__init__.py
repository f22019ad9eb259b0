"""Candles: symbols, timeframes, the year-file catalogue, import, quality and synthetic data."""
