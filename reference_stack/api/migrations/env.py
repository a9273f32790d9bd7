"""Run by alembic; the connection, its transaction and its lock come from `migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
context.run_migrations()
