"""A thin HTTP shim: it launches runs and reports their status; it never computes a backtest."""
