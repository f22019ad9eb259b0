"""The PostgreSQL of the platform: the embedded server, sessions, and the tables kept next to those of Dagster."""
