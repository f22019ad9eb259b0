"""Backups: archives that are read back before they count."""
