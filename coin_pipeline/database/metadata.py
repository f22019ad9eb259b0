"""The tables of the schema `coin`, as SQLAlchemy knows them; migrations create them (database/migrations)."""

from sqlalchemy import MetaData

SCHEMA = "coin"
REVISION_TABLE = "schema_revision"
"""Table of alembic."""

METADATA = MetaData(
    schema=SCHEMA,
    # Names that PostgreSQL would choose, so that a migration in SQL and a table declared here agree.
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)
"""Every table of the schema; a module that declares one passes this to `sqlalchemy.Table`."""
