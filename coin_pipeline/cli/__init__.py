"""The coin command."""
