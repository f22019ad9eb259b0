"""Signals of a user's strategy in several processes, because Python code in threads uses only one core."""
