"""Reading of candle files in a process of its own, which ends when it exceeds its memory or time limit."""
