"""How Alembic reaches the database: through the connection `core.migrate` hands it."""

from alembic import context
from sqlmodel import SQLModel

from backend.migrations import models as _models

assert _models

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
