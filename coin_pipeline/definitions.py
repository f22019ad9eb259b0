"""What workspace.yaml points at."""

from coin_pipeline.defs.build import build_defs

defs = build_defs()
