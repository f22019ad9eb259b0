"""Runs the migrations on the connection that `coin_pipeline.database.schema` passes."""

from alembic import context

from coin_pipeline.database.metadata import METADATA, REVISION_TABLE, SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=REVISION_TABLE,
    version_table_schema=SCHEMA,
)
context.run_migrations()
