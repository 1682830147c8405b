"""Run by Alembic, on the connection with which service/access/migrate.py holds the lock."""

from alembic import context

from service.access import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    version_table=schema.VERSION_TABLE,
    # SQLite cannot alter columns, so its tables are copied
    render_as_batch=True,
)
context.run_migrations()
