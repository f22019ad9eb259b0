"""The job that advances forward tests, and the schedule that requests it when a candle has closed."""
