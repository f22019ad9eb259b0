"""Leases, status and processes of Dagster runs."""
