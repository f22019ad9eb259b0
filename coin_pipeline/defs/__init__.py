"""Every Dagster word lives here, one file per concept."""
