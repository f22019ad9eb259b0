"""The backtest job: its ops, config and run metadata."""
