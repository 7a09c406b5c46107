"""What Alembic runs: the revisions beside this, on the connection it is given."""

from __future__ import annotations

from alembic import context

from flowstone.ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="flowstone_schema",
    transaction_per_migration=False,
)
context.run_migrations()
