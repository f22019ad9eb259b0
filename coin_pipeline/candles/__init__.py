"""Candles: symbols, timeframes, stored years, import and export, resampling, audits and exchanges."""
