"""Parameter sweeps: many points of one strategy in chunks, and what to make of them."""
