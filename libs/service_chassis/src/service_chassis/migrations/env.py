"""Alembic's door, shared by all services: the connection is handed in, so one transaction holds the whole upgrade."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
