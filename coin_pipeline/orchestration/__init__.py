"""Dagster as a platform: instance, storage, launcher, daemon and worker pool."""
