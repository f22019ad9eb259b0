"""A real Dagster instance on a real PostgreSQL, for the session."""

from tests.dagster_instance import answer, instance, own_index

__all__ = ["answer", "instance", "own_index"]
