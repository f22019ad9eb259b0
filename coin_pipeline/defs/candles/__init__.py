"""Candle assets, checks, collection job, schedule and sensor."""
