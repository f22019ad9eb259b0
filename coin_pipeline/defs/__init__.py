"""What the Dagster UI shows, one folder per domain."""
