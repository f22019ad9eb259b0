"""Arrays in, arrays out: bars, signals, fills, simulation and metrics. No files, no clock, no Dagster."""
