"""Backups: archives that are verified before they become visible."""
