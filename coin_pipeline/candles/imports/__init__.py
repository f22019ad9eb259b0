"""From a file of the outside world to validated candles, with an account of what was understood."""
