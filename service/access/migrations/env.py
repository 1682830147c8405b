"""Called by Alembic, with the connection that service/access/migrate.py holds the lock with."""

from alembic import context

from service.access import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    version_table=schema.VERSION_TABLE,
    # SQLite cannot change a column: its tables are copied
    render_as_batch=True,
)
context.run_migrations()
