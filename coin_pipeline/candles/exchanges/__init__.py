"""Exchange clients that download candles."""
