"""Stored results: publication, index, retention, verification and replay."""
