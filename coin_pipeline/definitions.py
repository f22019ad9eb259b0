"""Entry point of Dagster's code locations; workspace.yaml refers to it."""

from coin_pipeline.defs.build import build_defs

defs = build_defs()
