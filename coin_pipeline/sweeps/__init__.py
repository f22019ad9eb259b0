"""Parameter sweeps: many points of one strategy, evaluated in chunks, and their analysis."""
