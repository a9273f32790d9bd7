"""The database schema, as alembic migrations; `reference_stack.api.migrate` applies them."""
