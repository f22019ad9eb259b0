"""The one PostgreSQL: the embedded server by default, or the one that DATABASE_URL names."""
