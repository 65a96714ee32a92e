"""The store in PostgreSQL: one schema of a database holds one registry."""
