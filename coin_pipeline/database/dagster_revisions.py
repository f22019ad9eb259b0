"""Revisions of Dagster's own tables, without importing Dagster, which takes seconds."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.database.session import Cursor, Session

_VERSIONS = "_core/storage/alembic/versions"
_LINKS = re.compile(r"^(revision|down_revision) = [\"'](\w+)[\"']", re.MULTILINE)


class DagsterRevisions(NamedTuple):
    """The revisions that the installed Dagster knows.

    Attributes:
        head: The one that it needs.
        known: All of them.
    """

    head: str
    known: frozenset[str]


def installed() -> DagsterRevisions:
    """Read the revisions from the migration scripts of the installed Dagster."""
    spec = find_spec("dagster")
    (root,) = (spec and spec.submodule_search_locations) or [""]
    scripts = (script.read_text("utf-8") for script in (Path(root) / _VERSIONS).glob("*.py"))
    links = [link for script in scripts for link in _LINKS.findall(script)]
    known = frozenset(revision for name, revision in links if name == "revision")
    (head,) = known - {revision for name, revision in links if name == "down_revision"}
    return DagsterRevisions(head, known)


def current(session: Session) -> str | None:
    """Return the revision of Dagster's tables; None if they do not exist."""

    def read(cursor: Cursor) -> str | None:
        cursor.execute("select to_regclass('alembic_version') is not null")
        if cursor.fetchone() != (True,):
            return None
        cursor.execute("select version_num from alembic_version")
        row = cursor.fetchone()
        return str(row[0]) if row else None

    return session.run(read)
