"""Audits of stored candles: invalid rows, gaps, and disagreement between timeframes."""
