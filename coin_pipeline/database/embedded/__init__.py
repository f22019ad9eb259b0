"""The embedded PostgreSQL server: its cluster, its supervisor and the OS user that runs it."""
