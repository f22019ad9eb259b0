"""Forward tests: a strategy on paper, candle by candle as they close, and the comparison with its backtest."""
