"""Simulation engine: arrays in, arrays out. It knows no files, no clock, no coin names and no Dagster."""
