"""A real Dagster instance on a real PostgreSQL, for the session."""

from tests.dagster_instance import instance, own_index

__all__ = ["instance", "own_index"]
