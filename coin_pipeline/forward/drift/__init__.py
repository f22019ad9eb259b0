"""Drift: how far a forward test is from the backtest of the same period, and why."""
