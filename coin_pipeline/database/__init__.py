"""The platform's PostgreSQL: the embedded server, sessions, and the tables next to those of Dagster."""
