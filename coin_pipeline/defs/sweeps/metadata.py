"""Metadata of a sweep's steps, shown on the run page in Dagster."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
from dagster import MetadataValue

from coin_pipeline.defs.excerpts import bullet_list
from coin_pipeline.defs.sweeps.progress import BEST_OBJECTIVE, POINTS_EVALUATED, POINTS_PLANNED
from coin_pipeline.results.store import Json, report_path, task_key
from coin_pipeline.sweeps.plan import SweepChunk, SweepPlan, format_point
from coin_pipeline.sweeps.result import TRIALS_FILE, SweepResult
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import column_of, objectives_of


def chunk_metadata(plan: SweepPlan, chunk: SweepChunk) -> Mapping[str, MetadataValue]:
    """Return the range of a chunk's points, their first day, and the counts of the whole sweep."""
    return {
        "evaluated from": MetadataValue.text(chunk.start.isoformat()),
        "numbers": MetadataValue.text(f"{chunk.first:,} to {chunk.stop - 1:,}"),
        POINTS_PLANNED: MetadataValue.int(plan.points),
        "skipped": MetadataValue.int(plan.skipped),
        "duplicates": MetadataValue.int(plan.duplicates),
    }


def trials_metadata(spec: SweepSpec, table: pa.Table, seconds: float | None) -> Mapping[str, MetadataValue]:
    """Return the number of points in a chunk, their best, and the rate of their evaluation.

    Args:
        spec: The sweep.
        table: The trials of the chunk.
        seconds: Duration of the evaluation; None if the trials were already stored.
    """
    objectives = objectives_of(table, len(spec.symbols))
    metadata: dict[str, MetadataValue] = {
        POINTS_EVALUATED: MetadataValue.int(len(objectives)),
        "stored": MetadataValue.bool(seconds is None),
    }
    if seconds:
        metadata |= {"points/s": MetadataValue.float(round(len(objectives) / seconds, 1))}
    if np.isfinite(objectives).any():
        best_index = int(np.nanargmax(objectives))
        row = table.slice(best_index * len(spec.symbols), 1).to_pylist()[0]
        best = {dim.name: row[column_of(dim.name)] for dim in spec.space}
        metadata |= {
            BEST_OBJECTIVE: MetadataValue.float(float(objectives[best_index])),
            "best": MetadataValue.text(format_point(best)),
        }
    return metadata


def sweep_metadata(result: SweepResult, data_root: Path, api_url: str) -> Mapping[str, MetadataValue]:
    """Return the best points, the warnings, the trials with their digest, and the report.

    Args:
        result: The result.
        data_root: Folder of the store.
        api_url: Public URL of the API, which serves the report.
    """
    document = result.document
    metadata: dict[str, MetadataValue] = {
        "points": MetadataValue.int(document["points"]),
        "skipped": MetadataValue.int(document["skipped"]),
        "top": MetadataValue.table([_row(point) for point in document["top"]] or [dg.TableRecord({})]),
        "warnings": MetadataValue.md(bullet_list(document["warnings"])),
        "trials_sha256": MetadataValue.text(document["trials"]["sha256"]),
        "trials": MetadataValue.path(data_root / task_key(document["run_id"], TRIALS_FILE)),
        "report": MetadataValue.url(api_url.rstrip("/") + report_path(document["run_id"])),
    }
    if document["best"]:
        best = document["best"]
        metadata |= {
            "best": MetadataValue.text(format_point(best["values"])),
            document["objective"]: MetadataValue.float(best["figures"]["objective"]),
        }
    return metadata


def _row(point: Json) -> dg.TableRecord:
    values = {name: "none" if value is None else value for name, value in point["values"].items()}
    figures = {name: "" if value is None else round(value, 4) for name, value in point["figures"].items()}
    return dg.TableRecord({"point": point["point"], **values, **figures})
