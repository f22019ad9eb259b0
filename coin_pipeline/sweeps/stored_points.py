"""Points of stored sweeps."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.engine.bars import Floats
from coin_pipeline.errors import InvalidInput, ObjectCorrupt, ObjectNotFound, Problem, coded
from coin_pipeline.results.store import Json, task_key
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.sweeps.search_space import Point
from coin_pipeline.sweeps.trials import column_of, objectives_of


def read_point(store: ObjectStore, document: Json, number: int) -> Point:
    """Return the values of a point, which are in the document for the best points and otherwise in the trials.

    Args:
        store: The results.
        document: Document of the sweep.
        number: Number of the point.

    Raises:
        InvalidInput: The sweep evaluated no point with this number.
        ObjectNotFound: The trials are not stored.
        ObjectCorrupt: They differ from those that were stored.
    """
    for row in document["top"]:
        if row["point"] == number:
            values: Point = row["values"]
            return values
    columns = {dimension["name"]: column_of(dimension["name"]) for dimension in document["spec"]["space"]}
    rows = _read_rows(store, task_key(document["run_id"], document["trials"]["file"]), number, [*columns.values()])
    if not rows:
        raise InvalidInput([Problem("point", coded("not_a_point", number=number))])
    return {name: rows[column][0].as_py() for name, column in columns.items()}


def _read_rows(store: ObjectStore, key: str, number: int, columns: list[str]) -> pa.Table:
    """Return the rows of a point, from those row groups only that can contain it."""
    with store.open(key) as source:
        return pq.read_table(source, columns=columns, filters=pc.field("point") == number)


def read_objectives(store: ObjectStore, document: Json) -> Floats:
    """Return the objective of each point of a sweep, shape (k,), NaN where it is undefined.

    Args:
        store: The results.
        document: Document of the sweep.

    Raises:
        ObjectCorrupt: The trials are missing, or are not those of the document.
    """
    key, rows = task_key(document["run_id"], document["trials"]["file"]), document["trials"]["rows"]
    try:
        with store.open(key) as source:
            table = pq.read_table(source, columns=["objective"])
    except ObjectNotFound:
        raise ObjectCorrupt(key, "the sweep refers to it, but it does not exist") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ObjectCorrupt(key, f"it is not a table of trials ({error})") from None
    if len(table) != rows:
        raise ObjectCorrupt(key, f"it has {len(table):,} rows, but the document has {rows:,}")
    return objectives_of(table, len(document["symbols"]))
